//! The export `postgres`: records as rows of a table in a database, a transaction for each part of the run. A part is
//! copied into a temporary table and from there put into the table by `record_id`; that it was loaded is noted in the same
//! transaction, so that each is loaded exactly once, however often it is tried and whoever was killed over it. A row is
//! never replaced by an older one. Drops and deletes nothing.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::str::FromStr as _;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use deadpool_postgres::{Manager, ManagerConfig, Pool, PoolError, RecyclingMethod};
use futures::{SinkExt as _, StreamExt as _, TryStreamExt as _, pin_mut, stream};
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Map, Value};
use tokio::sync::mpsc;
use tokio_postgres::Config;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::columns::columns;
use super::error::{ExportError, Fault};
use super::moment::{days, milliseconds};
use super::reader::{self, Event};
use super::shape::{Field, Shape};
use super::{Database, Records};
use crate::crash;

/// Connections, and so parts that are loaded at once.
const CONNECTIONS: usize = 2;
/// Bytes that are sent at once, and how many such pieces wait between reading and sending.
const PIECE: usize = 256 << 10;
const PIECES: usize = 4;

/// Loads the parts of a run that were not loaded before. Gives the count of all its records.
pub(super) fn load(database: &Database<'_>, run: &str, records: Records<'_>) -> Result<u64, ExportError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.map_err(ExportError::at("start a thread for", Path::new("postgres")))?;
    runtime.block_on(async {
        let table = Table::new(database.table);
        let pool = connect(database).map_err(|error| refused(error.as_ref()))?;
        table.prepare(&pool).await.map_err(|error| refused(error.as_ref()))?;
        let dir: Arc<Path> = records.dir.into();
        let loads = records.parts.iter().map(|part| {
            let (pool, table, dir) = (&pool, &table, Arc::clone(&dir));
            async move { table.load(pool, run, dir, part).await }
        });
        stream::iter(loads).buffer_unordered(CONNECTIONS).try_fold(0, async |sum, n| Ok(sum + n)).await
    })
}

/// What the database, or the way to it, said.
fn refused(error: &(dyn Error + Send + Sync + 'static)) -> ExportError {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !words.contains(&more) {
            words = format!("{words}: {more}");
        }
        cause = error.source();
    }
    ExportError::Database { what: words }
}

type Trouble = Box<dyn Error + Send + Sync>;

fn connect(database: &Database<'_>) -> Result<Pool, Trouble> {
    let mut config = Config::from_str(database.url)?;
    if config.get_application_name().is_none() {
        config.application_name("trawl");
    }
    let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let tls = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let how = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let manager = Manager::from_config(config, MakeRustlsConnect::new(tls), how);
    Ok(Pool::builder(manager).max_size(CONNECTIONS).build()?)
}

/// A table of records and its statements.
struct Table {
    /// Quoted.
    name: String,
    /// The table of loaded parts, quoted.
    parts: String,
    columns: Vec<Field>,
}

impl Table {
    fn new(name: &str) -> Self {
        let quoted = |name: &str| {
            let quoted: Vec<String> = name.split('.').map(|part| format!("\"{part}\"")).collect();
            quoted.join(".")
        };
        Self { name: quoted(name), parts: quoted(&format!("{name}_parts")), columns: columns() }
    }

    /// Makes the tables, or adds the columns that a newer version has more.
    async fn prepare(&self, pool: &Pool) -> Result<(), Trouble> {
        let Self { name, parts, .. } = self;
        let index = format!("\"{}_by_url\"", name.rsplit('.').next().unwrap_or_default().trim_matches('"'));
        let rows: Vec<String> = self.columns.iter().map(|field| definition(field, true)).collect();
        let added = self.columns.iter().filter(|field| field.is_nullable);
        let added: Vec<String> =
            added.map(|field| format!("ADD COLUMN IF NOT EXISTS {}", definition(field, false))).collect();
        // `IF NOT EXISTS` alone fails when two make the same table at once.
        let statements = format!(
            "SELECT pg_advisory_xact_lock(hashtext('trawl'));
            CREATE TABLE IF NOT EXISTS {name} ({});
            ALTER TABLE {name} {};
            CREATE INDEX IF NOT EXISTS {index} ON {name} (url);
            CREATE TABLE IF NOT EXISTS {parts} (
                run_id text, part text, records bigint NOT NULL, loaded timestamptz NOT NULL DEFAULT now(),
                PRIMARY KEY (run_id, part));",
            rows.join(", "),
            added.join(", "),
        );
        let mut client = pool.get().await?;
        let transaction = client.transaction().await?;
        transaction.batch_execute(&statements).await?;
        Ok(transaction.commit().await?)
    }

    /// Loads a part unless it was, and gives the count of its records.
    #[allow(
        clippy::disallowed_methods,
        reason = "one blocking thread for a whole part, and no page is parsed on it"
    )]
    async fn load(&self, pool: &Pool, run: &str, dir: Arc<Path>, part: &Path) -> Result<u64, ExportError> {
        let (name, parts) = (&self.name, &self.parts);
        let failed = |error: tokio_postgres::Error| refused(&error);
        let mut client = pool.get().await.map_err(|error: PoolError| refused(&error))?;
        let transaction = client.transaction().await.map_err(failed)?;
        // Held to the end of the transaction: whoever loads the same part at the same time waits here, and finds it.
        let key = format!("{run}/{}", part.display());
        transaction
            .execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", &[&key])
            .await
            .map_err(failed)?;
        let part_name = part.to_string_lossy();
        let known = format!("SELECT records FROM {parts} WHERE run_id = $1 AND part = $2");
        if let Some(row) = transaction.query_opt(&known, &[&run, &part_name]).await.map_err(failed)? {
            return Ok(row.get::<_, i64>(0).unsigned_abs());
        }
        let names: Vec<String> = self.columns.iter().map(|field| format!("\"{}\"", field.name)).collect();
        let names = names.join(", ");
        let staging =
            format!("CREATE TEMPORARY TABLE staging (LIKE {name} INCLUDING DEFAULTS) ON COMMIT DROP");
        transaction.batch_execute(&staging).await.map_err(failed)?;
        let copy = format!("COPY staging ({names}) FROM STDIN");
        let sink = transaction.copy_in::<_, Bytes>(&copy).await.map_err(failed)?;
        let (send, mut pieces) = mpsc::channel(PIECES);
        let reading = {
            let (columns, part) = (self.columns.clone(), part.to_owned());
            tokio::task::spawn_blocking(move || read(&dir, part, &columns, &send))
        };
        pin_mut!(sink);
        while let Some(piece) = pieces.recv().await {
            sink.send(piece).await.map_err(failed)?;
        }
        let count = reading.await.map_err(|error| refused(&error))??;
        sink.finish().await.map_err(failed)?;
        crash::reached("export.copied");
        let news: Vec<String> =
            self.columns.iter().map(|field| format!("\"{0}\" = EXCLUDED.\"{0}\"", field.name)).collect();
        // In one order, so that two that load the same records wait for each other and not both.
        let upsert = format!(
            "INSERT INTO {name} AS old ({names}) SELECT {names} FROM staging ORDER BY record_id
            ON CONFLICT (record_id) DO UPDATE SET {} WHERE old.fetch_time <= EXCLUDED.fetch_time",
            news.join(", ")
        );
        transaction.execute(&upsert, &[]).await.map_err(failed)?;
        let noted = format!("INSERT INTO {parts} (run_id, part, records) VALUES ($1, $2, $3)");
        let records = i64::try_from(count).unwrap_or(i64::MAX);
        transaction.execute(&noted, &[&run, &part_name, &records]).await.map_err(failed)?;
        transaction.commit().await.map_err(failed)?;
        crash::reached("export.loaded");
        Ok(count)
    }
}

/// The definition of a column.
fn definition(field: &Field, whole: bool) -> String {
    let kind = match field.shape {
        Shape::Text => "text",
        Shape::Int => "bigint",
        Shape::Float => "double precision",
        Shape::Bool => "boolean",
        Shape::Date => "date",
        Shape::Moment => "timestamptz",
        Shape::Json | Shape::List(_) | Shape::Object(_) => "jsonb",
    };
    let null = if field.is_nullable { "" } else { " NOT NULL" };
    let key = if whole && field.name == "record_id" { " PRIMARY KEY" } else { "" };
    format!("\"{}\" {kind}{null}{key}", field.name)
}

/// Reads a part and sends it as the text that `COPY` takes, piece by piece.
fn read(dir: &Path, part: PathBuf, columns: &[Field], to: &mpsc::Sender<Bytes>) -> Result<u64, ExportError> {
    let mut piece = BytesMut::with_capacity(PIECE * 2);
    let gone = || Fault::Format("the database takes no more".into());
    let read = reader::read(dir, &[part], |event| {
        if let Event::Line(line) = event {
            row(line, columns, &mut piece)?;
        }
        if piece.len() >= PIECE || matches!(event, Event::End) && !piece.is_empty() {
            to.blocking_send(piece.split().freeze()).map_err(|_| gone())?;
        }
        Ok(())
    });
    read.map_err(|error| error.writing(Path::new("postgres")))
}

/// Adds a record as a row of `COPY`'s text format: columns apart by tabs, `\N` for null (`PostgreSQL` manual, COPY).
fn row(line: &str, columns: &[Field], to: &mut BytesMut) -> Result<(), Fault> {
    let record: Map<String, Value> = serde_json::from_str(line)?;
    if let Some(name) = record.keys().find(|name| !columns.iter().any(|field| field.name == **name)) {
        return Err(Fault::Misfit(format!("`{name}` is no field of a record that is known here")));
    }
    for (number, field) in columns.iter().enumerate() {
        if number > 0 {
            to.extend_from_slice(b"\t");
        }
        match cell(field, record.get(&field.name))? {
            None => to.extend_from_slice(b"\\N"),
            Some(text) => escape(&text, to),
        }
    }
    to.extend_from_slice(b"\n");
    Ok(())
}

/// A value as text, if it is what its field says.
fn cell(field: &Field, value: Option<&Value>) -> Result<Option<String>, Fault> {
    let misfit = |what: &str| Fault::Misfit(format!("`{}` is {what}", field.name));
    let found = match (&field.shape, value) {
        // Records of older versions lack what came later.
        (_, None | Some(Value::Null)) if field.is_nullable => return Ok(None),
        (_, None) => return Err(misfit("missing")),
        (Shape::Int, Some(value)) => value.as_i64().map(|number| number.to_string()),
        (Shape::Float, Some(value)) => value.as_f64().map(|number| number.to_string()),
        (Shape::Bool, Some(value)) => value.as_bool().map(|truth| truth.to_string()),
        (Shape::Text, Some(Value::String(text))) => Some(text.clone()),
        (Shape::Date, Some(Value::String(text))) => days(text).map(|_| text.clone()),
        (Shape::Moment, Some(Value::String(text))) => milliseconds(text).map(|_| text.clone()),
        (Shape::Json, Some(value))
        | (Shape::List(_), Some(value @ Value::Array(_)))
        | (Shape::Object(_), Some(value @ Value::Object(_))) => Some(without_nul(value).to_string()),
        _ => None,
    };
    found.map(Some).ok_or_else(|| misfit(&format!("no value of the type `{}`", field.shape.name())))
}

/// `PostgreSQL` has no character U+0000, neither in text nor in `jsonb`: U+FFFD stands for it.
fn without_nul(value: &Value) -> Value {
    let plain = |text: &str| text.replace('\0', "\u{fffd}");
    match value {
        Value::String(text) => Value::String(plain(text)),
        Value::Array(values) => values.iter().map(without_nul).collect(),
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| (plain(name), without_nul(value))).collect::<Map<_, _>>().into()
        }
        other => other.clone(),
    }
}

fn escape(text: &str, to: &mut BytesMut) {
    for byte in text.bytes() {
        match byte {
            b'\\' => to.extend_from_slice(b"\\\\"),
            b'\t' => to.extend_from_slice(b"\\t"),
            b'\n' => to.extend_from_slice(b"\\n"),
            b'\r' => to.extend_from_slice(b"\\r"),
            0 => to.extend_from_slice("\u{fffd}".as_bytes()),
            byte => to.extend_from_slice(&[byte]),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::record;
    use super::*;

    /// The cells of a record as `COPY` takes them, by their names.
    fn cells(record: &Value) -> Result<Map<String, Value>, Fault> {
        let mut text = BytesMut::new();
        row(&record.to_string(), &columns(), &mut text)?;
        let text = String::from_utf8(text.to_vec()).expect("UTF-8");
        let line = text.strip_suffix('\n').expect("a line");
        assert_eq!(line.matches('\n').count(), 0, "one line");
        let names = columns().into_iter().map(|column| column.name);
        Ok(names.zip(line.split('\t').map(Value::from)).collect())
    }

    #[test]
    fn what_means_something_to_copy_is_escaped_and_a_nul_is_not_lost() {
        let mut one = record(1, Some("all"), json!({ "a\0": ["\0", 1, null] }));
        one["title"] = json!("tab\tline\nreturn\rback\\slash \\N \0.");
        let cells = cells(&one).expect("a row");
        assert_eq!(cells["title"], "tab\\tline\\nreturn\\rback\\\\slash \\\\N \u{fffd}.");
        assert_eq!(cells["fields"], "{\"a\u{fffd}\":[\"\u{fffd}\",1,null]}");
        assert_eq!((&cells["description"], &cells["content_truncated"]), (&json!("\\N"), &json!("false")));
    }

    #[test]
    fn a_record_of_an_older_version_lacks_only_what_may_be_null() {
        let mut one = record(1, None, json!({}));
        one.as_object_mut().expect("record").remove("word_count");
        assert_eq!(cells(&one).expect("a row")["word_count"], "\\N");
        one.as_object_mut().expect("record").remove("url");
        assert!(matches!(cells(&one), Err(Fault::Misfit(what)) if what == "`url` is missing"));
        one["url"] = json!(7);
        assert!(
            matches!(cells(&one), Err(Fault::Misfit(what)) if what == "`url` is no value of the type `string`")
        );
    }
}
