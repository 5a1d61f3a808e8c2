//! The commands about configs, run as a person runs them: `validate`, `config show|schema|init`, `schema`.

#![allow(clippy::expect_used)] // a test that cannot be set up has failed

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value as Json;
use tempfile::TempDir;

const GOOD: &str = "config_version = 1\n[job]\nname = \"t\"\n[[sources]]\ntype = \"urls\"\nid = \"u\"\n\
    urls = [\"http://127.0.0.1:9/\"]\n";

/// A folder with a config in it.
fn home(config: &str) -> TempDir {
    let home = tempfile::tempdir().expect("folder");
    std::fs::write(home.path().join("config.toml"), config).expect("config");
    home
}

fn trawl(home: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trawl"));
    command.current_dir(home).args(args).stdin(Stdio::null()).env_remove("NO_COLOR");
    command.output().expect("trawl")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("UTF-8")
}

/// `trawl validate` on `config` ends with `code` and says `expected` on standard error.
fn check(config: &str, code: i32, expected: &str) {
    let home = home(config);
    let output = trawl(home.path(), &["validate"]);
    assert_eq!(stderr(&output).replace(&*home.path().to_string_lossy(), "HOME"), expected);
    assert_eq!(output.status.code(), Some(code));
}

#[test]
fn a_good_config_says_what_a_run_would_do_and_leaves_nothing_behind() {
    let home = home(GOOD);
    let output = trawl(home.path(), &["validate", "--set", "limits.max_pages=5"]);
    assert_eq!(
        stdout(&output).replace(&*home.path().to_string_lossy(), "HOME"),
        "HOME/config.toml is valid\n\
         job    t\n\
         read   u: URLs of the config (1 seed)\n\
         obey   robots.txt\n\
         ask    64 at once, one host 2 at once; 1s between two requests to one host\n\
         stop   after 5 pages\n\
         write  records, outcomes to HOME/data/out/t/latest\n\
         keep   HOME/data/store/t\n"
    );
    assert_eq!((stderr(&output).as_str(), output.status.code()), ("", Some(0)));
    let left: Vec<_> = std::fs::read_dir(home.path()).expect("home").collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

#[test]
fn every_problem_is_shown_at_once_with_its_line() {
    check(
        "config_version = 1\n[job]\nname = \"t\"\n\n[politeness]\nmax_concurrency = \"many\"\nmax_concurency = 10\n\
         [http]\nhost_delay = \"1s\"\n",
        78,
        "error: 4 problems in config.toml\n\
         config.toml:1:1: `sources` is missing\n  1 | config_version = 1\n    | ^\n  \
         hint: add `[[sources]]`: Where URLs come from; at least one\n\
         config.toml:6:19: `politeness.max_concurrency` must be a whole number of 1 or more, not the text \"many\"\n  \
         6 | max_concurrency = \"many\"\n    |                   ^^^^^^\n  \
         hint: for example `max_concurrency = 64`\n\
         config.toml:7:1: unknown key `max_concurency` in [politeness]\n  \
         7 | max_concurency = 10\n    | ^^^^^^^^^^^^^^\n  hint: did you mean `max_concurrency`?\n\
         config.toml:9:1: unknown key `host_delay` in [http]\n  9 | host_delay = \"1s\"\n    | ^^^^^^^^^^\n  \
         hint: `host_delay` belongs in [politeness]\n",
    );
}

#[test]
fn no_config_at_all() {
    let home = tempfile::tempdir().expect("folder");
    let output = trawl(home.path(), &["validate"]);
    let place = home.path().join("config.toml");
    let expected = format!(
        "error: no config file: `{}` does not exist\n\
         hint: write a first one with `trawl config init`, or name another file\n",
        place.display()
    );
    assert_eq!((stderr(&output), output.status.code()), (expected, Some(78)));
}

#[test]
fn files_that_are_no_config() {
    const INIT: &str = "hint: write a first one with `trawl config init`, or name another file\n";
    check("", 78, &format!("error: `config.toml` is empty\n{INIT}"));
    check("# nothing yet\n\n", 78, &format!("error: `config.toml` is empty\n{INIT}"));
    check(
        "a = \"\0\"",
        78,
        "error: config.toml:1:6: NUL byte at offset 5\nhint: a config is a text file; is this one damaged?\n",
    );
    check(&format!("\u{feff}{GOOD}"), 0, "");
    let home = home(GOOD);
    std::fs::write(home.path().join("latin.toml"), b"a = 1\nb = \"caf\xe9\"").expect("file");
    let huge = std::fs::File::create(home.path().join("huge.toml")).expect("file");
    huge.set_len(50 << 20).expect("length");
    for (file, expected) in [
        (".", "error: `.` is a directory, not a config file\nhint: name the file in it: `./config.toml`\n"),
        (
            "/dev/null",
            "error: `/dev/null` is a device, not a config file\nhint: write the config into a regular file\n",
        ),
        (
            "latin.toml",
            "error: latin.toml:2:9: byte 0xe9 at offset 14 is not UTF-8\nhint: save the file as UTF-8\n",
        ),
        (
            "huge.toml",
            "error: `huge.toml` is larger than 1MiB, which no config needs\nhint: move long lists of URLs into a \
             file of their own and name it in a source of type \"list\"\n",
        ),
    ] {
        let output = trawl(home.path(), &["validate", file]);
        assert_eq!((stderr(&output).as_str(), output.status.code()), (expected, Some(78)), "{file}");
        assert_eq!(stdout(&output), "");
    }
}

#[test]
fn a_fifo_does_not_block() {
    let home = tempfile::tempdir().expect("folder");
    let fifo = home.path().join("fifo.toml");
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, mode, 0).expect("FIFO");
    let mut child = Command::new(env!("CARGO_BIN_EXE_trawl"))
        .current_dir(home.path())
        .args(["validate", "fifo.toml"])
        .stderr(Stdio::piped())
        .spawn()
        .expect("trawl");
    let deadline = Instant::now() + Duration::from_secs(20);
    while child.try_wait().expect("wait").is_none() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(5));
    }
    let _ = child.kill();
    let output = child.wait_with_output().expect("output");
    let expected =
        "error: `fifo.toml` is a FIFO, not a config file\nhint: write the config into a regular file\n";
    assert_eq!((stderr(&output).as_str(), output.status.code()), (expected, Some(78)));
}

#[test]
fn a_set_is_named_in_its_errors() {
    let home = home(GOOD);
    let output = trawl(home.path(), &["validate", "--set", "http.timeout.total=5", "--set", "job.nam=x"]);
    assert_eq!(
        stderr(&output),
        "error: 2 problems in config.toml\n\
         --set http.timeout.total=5: `http.timeout.total` must be a duration with its unit, such as \"250ms\", \
         \"1s\" or \"2h\", not the number 5\n  hint: for example `total = \"5s\"`\n\
         --set job.nam=x: unknown key `nam` in [job]\n  hint: did you mean `name`?\n"
    );
    assert_eq!(output.status.code(), Some(78));
}

#[test]
fn the_surroundings_are_looked_at() {
    check(
        &format!(
            "{GOOD}[[sources]]\ntype = \"list\"\nid = \"l\"\npath = \"no.txt\"\n[[sources]]\ntype = \"files\"\nid = \"f\"\n\
             paths = [\"no/**/*.html\"]\n[http]\nproxy = {{ env = \"TRAWL_TEST_NO_SUCH\" }}\nca_file = \"config.toml\"\n\
             user_agent = \"t (+http://t.example)\"\n"
        ),
        78,
        "error: config.toml:17:9: `http.proxy`: environment variable `TRAWL_TEST_NO_SUCH` is not set\n\
         hint: set it for the user that runs the job, or use { file = \"...\" }\n\
         error: config.toml:18:11: `http.ca_file`: `HOME/config.toml` holds no certificate\n\
         hint: a PEM file begins `-----BEGIN CERTIFICATE-----`\n\
         error: config.toml:11:8: source `l`: cannot read `HOME/no.txt`: No such file or directory (os error 2)\n\
         hint: see that the file is there and that whoever runs the job may read it; a relative path is relative to the config\n\
         warning: config.toml:14:6: source `f` gives no URL\n",
    );
    check(
        &GOOD.replace("name = \"t\"", "name = \"t\"\noutput_dir = \"config.toml/out\""),
        73,
        "error: config.toml:4:14: `job.output_dir`: cannot write to `HOME/config.toml/out`: Not a directory (os error 20)\n\
         hint: choose another folder, or let the user that runs the job write to it\n",
    );
    let home = home(GOOD);
    let output = trawl(home.path(), &["validate", "--set", "limits.min_free_disk=900TiB"]);
    assert!(stderr(&output).contains("less than `limits.min_free_disk` = 900TiB\nhint: make room"));
    assert_eq!(output.status.code(), Some(73));
}

#[test]
fn bad_seeds_and_bad_manners_are_warnings() {
    check(
        &GOOD.replace(
            "\"http://127.0.0.1:9/\"",
            "\"http://127.0.0.1:9/\", \"htp://x/\", \"http://far.example/\"",
        ),
        0,
        "warning: config.toml:7:32: `htp://x/`: scheme `htp` cannot be fetched, only http, https and, from a `files` \
         source, file\n\
         warning: config.toml: `http.user_agent` says nobody to contact\n\
         hint: name the crawler and a way to reach you: \"my-crawler/1.0 (+https://example.org/bot)\"\n",
    );
    let home = home(&GOOD.replace("127.0.0.1", "far.example"));
    let output = trawl(home.path(), &["validate", "--set", "politeness.host_delay=0s"]);
    assert!(
        stderr(&output)
            .contains("warning: --set politeness.host_delay=0s: `politeness.host_delay` is nothing")
    );
}

#[test]
fn seeds_of_lists_and_files_are_counted_and_the_first_bad_ones_named() {
    let config = "config_version = 1\n[job]\nname = \"t\"\n[[sources]]\ntype = \"list\"\nid = \"l\"\npath = \"l.txt\"\n\
        [[sources]]\ntype = \"files\"\nid = \"f\"\npaths = [\"*.html\", \"gone.html\"]\n";
    let home = home(config);
    std::fs::write(home.path().join("l.txt"), "http://127.0.0.1/\n\u{1b}[31m\nhttp://127.0.0.1/2\n")
        .expect("list");
    std::fs::write(home.path().join("a.html"), "").expect("page");
    let output = trawl(home.path(), &["validate"]);
    let said = stderr(&output).replace(&*home.path().to_string_lossy(), "HOME");
    assert_eq!(
        said,
        "warning: l.txt:2: `\\u{1b}[31m`: not a URL: it does not begin with `https://` or `http://`\n\
         warning: config.toml:11:20: `file://HOME/gone.html`: No such file or directory (os error 2)\n"
    );
    let found = stdout(&output);
    assert!(found.contains("l.txt (2 seeds, 1 more is of no use)\n"), "{found}");
    assert!(found.contains("gone.html (1 seed, 1 more is of no use)\n"), "{found}");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn a_list_that_a_run_would_refuse_is_refused() {
    let home = home(&format!(
        "{GOOD}[[sources]]\ntype = \"list\"\nid = \"l\"\npath = \"l.csv\"\ncolumn = \"link\"\n"
    ));
    std::fs::write(home.path().join("l.csv"), "url,x\n").expect("list");
    let output = trawl(home.path(), &["validate"]);
    assert!(stderr(&output).contains("has no column `link`; it has `url`, `x`"), "{}", stderr(&output));
    assert_eq!(output.status.code(), Some(78));
}

#[test]
fn a_folder_of_any_name_can_hold_a_config() {
    let home = tempfile::tempdir().expect("folder");
    let odd = home.path().join("a[b]{c");
    std::fs::create_dir_all(odd.join("docs")).expect("folder");
    std::fs::write(odd.join("docs/x.html"), "<title>x</title>").expect("page");
    let config = "config_version = 1\n[job]\nname = \"t\"\n[[sources]]\ntype = \"files\"\nid = \"f\"\n\
        paths = [\"docs/*.html\"]\n";
    std::fs::write(odd.join("config.toml"), config).expect("config");
    let output = trawl(home.path(), &["validate", "a[b]{c/config.toml"]);
    assert!(stdout(&output).contains("(1 seed)"), "{}{}", stdout(&output), stderr(&output));
    let output = trawl(home.path(), &["run", "a[b]{c/config.toml"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}

#[test]
fn folders_of_sinks_do_not_overlap() {
    for (other, said) in [
        ("a", "two sinks write to the folder `a`"),
        ("a/b", "the folders `a` and `a/b` of two sinks overlap"),
        ("a//./", "two sinks write to the folder `a`"),
    ] {
        let sinks = format!(
            "[[sinks]]\ntype=\"pages\"\nid=\"a\"\n[[sinks]]\ntype=\"pages\"\nid=\"z\"\npath=\"{other}\"\n"
        );
        let home = home(&format!("{GOOD}{sinks}"));
        let output = trawl(home.path(), &["validate"]);
        assert!(stderr(&output).contains(said), "{}", stderr(&output));
        assert_eq!(output.status.code(), Some(78));
    }
}

#[test]
fn a_password_in_the_address_of_a_proxy_is_refused_and_not_repeated() {
    for proxy in ["http://me:hunter2@127.0.0.1:9", "gopher://me:hunter2@127.0.0.1:9"] {
        let home = home(&format!("{GOOD}[log]\nlevel = \"info\"\n"));
        let output = trawl(home.path(), &["validate", "--set", &format!("http.proxy={proxy}")]);
        assert!(stderr(&output).contains("`http.proxy`"), "{}", stderr(&output));
        assert_eq!(output.status.code(), Some(78));
        let config = format!("{GOOD}[http]\nproxy = \"{proxy}\"\n");
        std::fs::write(home.path().join("config.toml"), config).expect("config");
        let json = trawl(home.path(), &["validate", "--json"]);
        assert!(!stdout(&json).contains("hunter2"), "{}", stdout(&json));
    }
}

#[test]
fn credentials_in_plain_text_are_a_warning_that_does_not_repeat_them() {
    check(
        &format!("{GOOD}[http.headers]\nAuthorization = \"hunter2\"\nX-Open = \"x\"\n"),
        0,
        "warning: config.toml:9:17: `http.headers.Authorization` stands in plain text, and so in the `config.toml` of \
         every run\nhint: give it as a reference: { env = \"NAME\" } or { file = \"...\" }\n",
    );
}

#[test]
fn json_for_programs() {
    let home = home(GOOD);
    let json =
        |args: &[&str]| serde_json::from_str::<Json>(&stdout(&trawl(home.path(), args))).expect("JSON");
    let good = json(&["validate", "--json"]);
    assert_eq!((&good["valid"], &good["seeds"]["u"]["good"]), (&true.into(), &1.into()));
    let bad = json(&["validate", "--json", "--set", "job.name=.x", "--set", "log.levle=info"]);
    assert_eq!((&bad["valid"], &bad["exit_code"]), (&false.into(), &78.into()));
    assert_eq!(bad["problems"].as_array().map(Vec::len), Some(2));
}

#[test]
fn show_reads_back_and_never_shows_a_secret() {
    let home = home(&format!(
        "{GOOD}[http]\nproxy = {{ env = \"TRAWL_TEST_SECRET\" }}\nheaders = {{ A = {{ file = \"token\" }} }}\n"
    ));
    std::fs::write(home.path().join("token"), "hunter2").expect("token");
    let show = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_trawl"));
        command.current_dir(home.path()).args(args).env("TRAWL_TEST_SECRET", "http://hunter3.example:1/");
        let output = command.output().expect("trawl");
        assert_eq!((stderr(&output).as_str(), output.status.code()), ("", Some(0)));
        stdout(&output)
    };
    let first = show(&["config", "show", "--set", "limits.max_pages=3"]);
    std::fs::write(home.path().join("shown.toml"), &first).expect("file");
    assert_eq!(show(&["config", "show", "shown.toml"]), first);
    assert!(first.contains("max_pages = 3") && first.contains("env = \"TRAWL_TEST_SECRET\""));
    assert!(!first.contains("hunter") && !show(&["validate"]).contains("hunter"));
}

#[test]
fn init_writes_a_config_that_is_valid_and_overwrites_nothing() {
    let home = tempfile::tempdir().expect("folder");
    let output = trawl(home.path(), &["config", "init"]);
    let said = "wrote config.toml; look at it, then: trawl validate config.toml\n";
    assert_eq!((stderr(&output).as_str(), output.status.code()), (said, Some(0)));
    assert_eq!(trawl(home.path(), &["validate"]).status.code(), Some(0));
    std::fs::write(home.path().join("config.toml"), "mine").expect("file");
    let output = trawl(home.path(), &["config", "init"]);
    let said = "error: `config.toml` exists and stays as it is\nhint: name another file: `trawl config init other.toml`\n";
    assert_eq!((stderr(&output).as_str(), output.status.code()), (said, Some(73)));
    assert_eq!(std::fs::read_to_string(home.path().join("config.toml")).expect("file"), "mine");
}

/// The config without the exports that this build leaves out.
fn as_built(config: &str) -> String {
    let mut config: toml::Table = config.parse().expect("TOML");
    if let Some(toml::Value::Array(exports)) = config.get_mut("exports") {
        let is_built = |name: &str| trawl::export::check(name).is_ok();
        exports.retain(|export| export["type"].as_str().is_some_and(is_built));
    }
    toml::to_string(&config).expect("TOML")
}

/// Everything that is commented out in the examples is true as well.
#[test]
fn comments_in_the_examples_would_work() {
    for example in [include_str!("../config.toml"), include_str!("../src/cli/starter.toml")] {
        let is_toml = |line: &str| line.starts_with('[') || line.contains(" = ");
        let lines = example.lines().map(|line| match line.strip_prefix("# ") {
            Some(comment) if is_toml(comment) => comment,
            _ => line,
        });
        let whole = lines.collect::<Vec<_>>().join("\n");
        let home = home(&as_built(&whole));
        let output = trawl(home.path(), &["config", "show"]);
        assert_eq!((stderr(&output).as_str(), output.status.code()), ("", Some(0)), "{whole}");
    }
}

#[test]
fn the_example_and_the_reference_are_up_to_date() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = trawl(root, &["validate"]);
    assert_eq!((stderr(&output).as_str(), output.status.code()), ("", Some(0)));
    let made = stdout(&trawl(root, &["config", "reference"]));
    let kept = std::fs::read_to_string(root.join("docs/configuration.md")).unwrap_or_default();
    assert!(
        made == kept,
        "docs/configuration.md is not what the program says; write it anew: \
         cargo run -- config reference > docs/configuration.md"
    );
}

/// The reference names every key of the schema, and of every key with a default the default.
#[test]
fn the_reference_shows_every_key_with_its_default() {
    let home = tempfile::tempdir().expect("folder");
    let schema: Json =
        serde_json::from_str(&stdout(&trawl(home.path(), &["config", "schema"]))).expect("JSON");
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    let reference = stdout(&trawl(home.path(), &["config", "reference"]));
    let mut keys = 0;
    visit(&schema, &mut |key, value| {
        // References to secrets are explained once, at the top.
        if matches!(key, "env" | "file") || value["const"].is_string() {
            return;
        }
        keys += 1;
        let rows: Vec<&str> =
            reference.lines().filter(|line| line.starts_with(&format!("| `{key}` |"))).collect();
        let default = match &value["default"] {
            Json::Null | Json::Object(_) => String::new(),
            Json::Array(list) if list.is_empty() => String::new(),
            default => format!("| `{default}` |"),
        };
        assert!(rows.iter().any(|row| row.contains(&default)), "`{key}` with {default:?} in {rows:?}");
    });
    assert!(keys > 40, "{keys}");
}

/// Calls `each` for every property anywhere in a schema.
fn visit(schema: &Json, each: &mut impl FnMut(&str, &Json)) {
    for (name, inner) in schema.as_object().into_iter().flatten() {
        if name == "properties" {
            inner.as_object().into_iter().flatten().for_each(|(key, value)| each(key, value));
        }
        if name != "default" {
            visit(inner, each);
        }
    }
    schema.as_array().into_iter().flatten().for_each(|inner| visit(inner, each));
}

#[test]
fn schemas_of_outputs_are_printed() {
    let home = tempfile::tempdir().expect("folder");
    for (output, key) in [("records", "content_digest"), ("outcomes", "outcome")] {
        let schema: Json =
            serde_json::from_str(&stdout(&trawl(home.path(), &["schema", output]))).expect("JSON");
        assert!(schema["properties"][key].is_object());
    }
}

#[test]
fn wrong_use_ends_with_2_and_a_gone_reader_is_no_error() {
    let home = home(GOOD);
    assert_eq!(trawl(home.path(), &["validat"]).status.code(), Some(2));
    assert_eq!(trawl(home.path(), &["schema", "x"]).status.code(), Some(2));
    assert_eq!(trawl(home.path(), &["--help"]).status.code(), Some(0));
    let (reader, writer) = std::io::pipe().expect("pipe");
    drop(reader);
    let mut command = Command::new(env!("CARGO_BIN_EXE_trawl"));
    let output =
        command.args(["config", "schema"]).stdout(writer).stderr(Stdio::piped()).output().expect("trawl");
    assert_eq!((stderr(&output).as_str(), output.status.code()), ("", Some(0)));
}

#[test]
fn colour_only_where_asked_for() {
    let home = home("x = 1");
    let said = |args: &[&str]| stderr(&trawl(home.path(), args));
    assert!(said(&["validate"]).starts_with("error: "));
    assert!(said(&["--color", "always", "validate"]).starts_with("\u{1b}[1;31merror\u{1b}[0m: "));
}
