//! The output reference is true: its tables are made from the types that write the output. What is promised of records and
//! outcomes stands in `docs/schema`, and is broken by no change that forgets to say so.
//!
//! `TRAWL_UPDATE_DOCS=1 cargo test --test docs` writes it anew.

#![allow(clippy::expect_used, reason = "a test fails by panicking")]

use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use schemars::generate::SchemaSettings;
use serde_json::Value;
use trawl::model::{Heading, Image, Outcome, OutcomeLine, Record, SCHEMA_VERSION, Structured};
use trawl::pipeline::Doing;
use trawl::run::hosts::COLUMNS;
use trawl::run::{Exit, HostStatus, RequestTask, SlowHost, Status, Tasks, WaitingHost, WorkerTask};

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/output.md");

fn fields<T: schemars::JsonSchema>(text: &mut String) {
    let schema =
        SchemaSettings::default().for_serialize().into_generator().into_root_schema_for::<T>().to_value();
    text.push_str("| field | type | meaning |\n|---|---|---|\n");
    let properties = schema["properties"].as_object().expect("a table of fields");
    for (name, field) in properties {
        let about = field["description"].as_str().unwrap_or_default().replace('\n', " ");
        let _ = writeln!(text, "| `{name}` | {} | {about} |", type_of(field));
    }
}

fn type_of(field: &Value) -> String {
    let name = |name: &str| match name {
        "string" => "text".to_owned(),
        "integer" => "whole number".to_owned(),
        "array" => "list".to_owned(),
        "object" => "object".to_owned(),
        other => other.to_owned(),
    };
    match &field["type"] {
        Value::String(one) => name(one),
        Value::Array(all) => all.iter().filter_map(Value::as_str).map(name).collect::<Vec<_>>().join(" or "),
        _ => "object or null".to_owned(),
    }
}

fn reference() -> String {
    let mut text = format!(
        "# Output reference\n\n\
         Made from the program's own types; a test holds that it is up to date.\n\n\
         Both schemas have version {SCHEMA_VERSION}. Adding a field that may be null is a minor change; all else raises \
         `schema_version`. Every field is always present. Times are RFC 3339 in UTC with milliseconds. The JSON Schemas: \
         `trawl schema records`, `trawl schema outcomes`, and of this version in [`schema/`](schema).\n\n\
         ## `records/`: one line for each page that was read\n\n"
    );
    fields::<Record>(&mut text);
    text.push_str(
        "\nA link is an object with `url`, absolute and in canonical form, and `rel`, or null without one.\n",
    );
    text.push_str("\nIts `structured`, from a rule with `structured_data = true`:\n\n");
    fields::<Structured>(&mut text);
    text.push_str("\nEach of the `headings`:\n\n");
    fields::<Heading>(&mut text);
    text.push_str("\nEach of the `images`:\n\n");
    fields::<Image>(&mut text);
    text.push_str("\n## `outcomes/`: one line for each URL, whatever happened to it\n\n");
    fields::<OutcomeLine>(&mut text);
    text.push_str(
        "\n## Outcomes\n\nEvery URL ends in exactly one of these.\n\n| outcome | meaning |\n|---|---|\n",
    );
    for outcome in Outcome::ALL {
        let _ = writeln!(text, "| `{}` | {} |", outcome.name(), outcome.about());
    }
    text.push_str(
        "\n## `hosts.csv`: one line for each host\n\n\
         CSV by RFC 4180 with a heading, in the order of the hosts. A host that a spreadsheet would take for a formula \
         has an apostrophe before it. What came after the first 10,000 hosts shares the line `(other hosts)`, so that \
         the lines add up to all outcomes.\n\n| column | meaning |\n|---|---|\n",
    );
    for (name, about) in COLUMNS {
        let _ = writeln!(text, "| `{name}` | {about} |");
    }
    text.push_str(
        "\n## `status.json`: how a live run is doing\n\n\
         In the directory of an unfinished run, replaced as a whole each second; gone once the run is published. A process \
         that has died leaves its last one: then `state` is `interrupted`, and `updated` says since when. \
         `trawl status --json` prints it with a first field `state`: `running`, `interrupted`, `starting` or \
         `publishing`; of a run that has ended it prints `summary.json` with `published` or `failed`.\n\n",
    );
    fields::<Status>(&mut text);
    text.push_str("\nEach of its `hosts`:\n\n");
    fields::<HostStatus>(&mut text);
    text.push_str("\nIts `slowest_host`:\n\n");
    fields::<SlowHost>(&mut text);
    tasks(&mut text);
    text.push_str("\n## Exit codes\n\n| code | meaning |\n|---|---|\n");
    for exit in Exit::ALL {
        let _ = writeln!(text, "| {} | {} |", exit.code(), exit.about());
    }
    text
}

fn tasks(text: &mut String) {
    text.push_str(
        "\n## `tasks.json`: what a live run is doing\n\n\
         Beside `status.json`, written when somebody asks: by `trawl status --tasks`, or by SIGUSR1, which has it written to \
         the log, too. `trawl status --tasks` leaves the file `tasks-wanted` in the state directory; the run answers \
         within a second and takes it away. Gone once the crawl has ended.\n\n",
    );
    fields::<Tasks>(text);
    text.push_str("\nEach of its `workers`:\n\n");
    fields::<WorkerTask>(text);
    text.push_str("\nEach of its `requests`:\n\n");
    fields::<RequestTask>(text);
    text.push_str("\nEach of `waiting`:\n\n");
    fields::<WaitingHost>(text);
    text.push_str("\n| `stage` | meaning |\n|---|---|\n");
    for doing in Doing::ALL {
        let _ = writeln!(text, "| `{}` | {} |", doing.name(), doing.about());
    }
}

#[test]
fn the_output_reference_is_up_to_date() {
    let wanted = reference();
    if std::env::var_os("TRAWL_UPDATE_DOCS").is_some() {
        fs::write(PATH, &wanted).expect("docs/output.md can be written");
    }
    let found = fs::read_to_string(PATH).unwrap_or_default();
    assert!(
        found == wanted,
        "docs/output.md is not what the types say\ncure: TRAWL_UPDATE_DOCS=1 cargo test --test docs"
    );
}

/// What `trawl schema` prints.
fn schema(output: &str) -> String {
    let printed = Command::new(env!("CARGO_BIN_EXE_trawl")).args(["schema", output]).output().expect("trawl");
    assert!(printed.status.success());
    String::from_utf8(printed.stdout).expect("UTF-8")
}

/// What a consumer of the older schema would stumble over: fields that are gone or other than they were, and new ones that
/// are not null where nothing is known.
fn breaks(before: &Value, after: &Value) -> Vec<String> {
    let (before, after) = (&before["properties"], &after["properties"]);
    let (old, new) = (before.as_object().expect("fields"), after.as_object().expect("fields"));
    let shape = |field: &Value| {
        let mut field = field.clone();
        field.as_object_mut().expect("a field").remove("description");
        field
    };
    let may_be_null =
        |field: &Value| field["type"].to_string().contains("\"null\"") || field["anyOf"].is_array();
    let gone = old.keys().filter(|name| !new.contains_key(*name)).map(|name| format!("`{name}` is gone"));
    let other = old
        .iter()
        .filter(|(name, field)| new.get(*name).is_some_and(|now| shape(now) != shape(field)))
        .map(|(name, _)| format!("`{name}` is other than it was"));
    let added = new
        .iter()
        .filter(|(name, field)| !old.contains_key(*name) && !may_be_null(field))
        .map(|(name, _)| format!("`{name}` is new and never null"));
    gone.chain(other).chain(added).collect()
}

#[test]
fn the_schemas_keep_what_they_promise() {
    for output in ["records", "outcomes"] {
        let path = format!("{}/docs/schema/{output}.v{SCHEMA_VERSION}.json", env!("CARGO_MANIFEST_DIR"));
        let now = schema(output);
        let promised = fs::read_to_string(&path).unwrap_or_else(|_| now.clone());
        let parsed = |text: &str| serde_json::from_str::<Value>(text).expect("JSON");
        let broken = breaks(&parsed(&promised), &parsed(&now));
        assert!(
            broken.is_empty(),
            "{output}: {broken:?}\ncure: raise `SCHEMA_VERSION`, or add a field that may be null"
        );
        if std::env::var_os("TRAWL_UPDATE_DOCS").is_some() {
            fs::write(&path, &now).expect("docs/schema can be written");
        }
        let found = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            found == now,
            "{path} is not what `trawl schema` prints\ncure: TRAWL_UPDATE_DOCS=1 cargo test --test docs"
        );
    }
}

#[test]
fn a_broken_promise_is_noticed() {
    let before =
        serde_json::json!({ "properties": { "a": { "type": "string" }, "b": { "type": "integer" } } });
    let after = serde_json::json!({ "properties": {
        "a": { "type": ["string", "null"] }, "c": { "type": "string" }, "d": { "type": ["string", "null"] },
    } });
    assert_eq!(
        breaks(&before, &after),
        ["`b` is gone", "`a` is other than it was", "`c` is new and never null"]
    );
    assert_eq!(breaks(&before, &before), Vec::<String>::new());
}
