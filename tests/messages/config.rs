//! A config that is wrong: which key, what about it, what to write.

use crate::snapshot::check;
use crate::support::Crawl;

const JOB: &str = "config_version = 1\n\n[job]\nname = \"news\"\n";
const SEEDS: &str = "\n[[sources]]\nid = \"start\"\ntype = \"urls\"\nurls = [\"https://example.org/\"]\n";

/// `trawl validate` of this config.
fn wrong(name: &str, text: &str) {
    let crawl = Crawl::new().write("config.toml", text);
    let run = crawl.as_it_stands(&["validate"]);
    check(name, &crawl, "trawl validate", &run);
}

/// A good config, and then this.
fn wrong_with(name: &str, more: &str) {
    wrong(name, &format!("{JOB}{SEEDS}\n{more}\n"));
}

#[test]
fn config_key_misspelt() {
    wrong_with("config_key_misspelt", "[politeness]\nhost_dely = \"2s\"");
}

#[test]
fn config_key_in_the_wrong_table() {
    wrong_with("config_key_in_the_wrong_table", "[http]\nmax_pages = 5");
}

#[test]
fn config_wrong_type() {
    wrong_with("config_wrong_type", "[limits]\nmax_pages = \"many\"");
}

#[test]
fn config_bad_duration() {
    wrong_with("config_bad_duration", "[politeness]\nhost_delay = \"2 parsecs\"");
}

#[test]
fn config_bad_size() {
    wrong_with("config_bad_size", "[http]\nmax_body = \"10 potatoes\"");
}

#[test]
fn config_number_out_of_range() {
    wrong_with("config_number_out_of_range", "[politeness]\nmax_concurrency = 0");
}

#[test]
fn config_bad_selector() {
    wrong_with(
        "config_bad_selector",
        "[[extract]]\nid = \"article\"\nfields.price = { css = \"div > > span\" }",
    );
}

#[test]
fn config_bad_jsonpath() {
    wrong_with("config_bad_jsonpath", "[[extract]]\nid = \"article\"\nfields.price = { json = \"$[?(\" }");
}

#[test]
fn config_bad_regex() {
    wrong_with("config_bad_regex", "[scope]\nexclude = ['/login(']");
}

#[test]
fn config_duplicate_ids() {
    wrong_with("config_duplicate_ids", SEEDS);
}

#[test]
fn config_no_sources() {
    wrong("config_no_sources", JOB);
}

#[test]
fn config_empty_sources() {
    wrong("config_empty_sources", &format!("sources = []\n{JOB}"));
}

#[test]
fn config_no_job() {
    wrong("config_no_job", &format!("config_version = 1\n{SEEDS}"));
}

#[test]
fn config_unknown_source_kind() {
    wrong_with(
        "config_unknown_source_kind",
        "[[sources]]\nid = \"map\"\ntype = \"sitemaps\"\nurls = [\"https://example.org/\"]",
    );
}

#[test]
fn config_unknown_sink_kind() {
    wrong_with("config_unknown_sink_kind", "[[sinks]]\nid = \"out\"\ntype = \"xlsx\"");
}

#[test]
fn config_unknown_export_kind() {
    wrong_with("config_unknown_export_kind", "[[exports]]\nid = \"db\"\ntype = \"sqlite3\"");
}

#[test]
fn config_bad_seed() {
    wrong(
        "config_bad_seed",
        &format!(
            "{JOB}\n[[sources]]\nid = \"start\"\ntype = \"urls\"\nurls = [\"example.org\", \"ftp://example.org/\", \"https://me:pw@example.org/\"]\n"
        ),
    );
}

#[test]
fn config_syntax() {
    wrong("config_syntax", &format!("{JOB}\n[http\nuser_agent = \"x\"\n"));
}

#[test]
fn config_other_version() {
    wrong(
        "config_other_version",
        &format!("{}{SEEDS}", JOB.replace("config_version = 1", "config_version = 2")),
    );
}

#[test]
fn config_not_utf8() {
    let crawl = Crawl::new().write("config.toml", b"config_version = 1\nname = \"\xff\"\n");
    check("config_not_utf8", &crawl, "trawl validate", &crawl.as_it_stands(&["validate"]));
}

#[test]
fn config_missing() {
    let crawl = Crawl::new();
    check("config_missing", &crawl, "trawl run", &crawl.as_it_stands(&["run"]));
    check(
        "config_missing_by_name",
        &crawl,
        "trawl run jobs/news.toml",
        &crawl.as_it_stands(&["run", "jobs/news.toml"]),
    );
}

#[test]
fn config_is_a_folder() {
    let crawl = Crawl::new().write("jobs/x", "");
    check("config_is_a_folder", &crawl, "trawl run jobs", &crawl.as_it_stands(&["run", "jobs"]));
}

#[test]
fn config_bad_set() {
    let crawl = Crawl::new().write("config.toml", format!("{JOB}{SEEDS}"));
    let run = crawl.as_it_stands(&[
        "validate",
        "--set",
        "limits.max_page=3",
        "--set",
        "limits",
        "--set",
        "http.timeout.total=soon",
    ]);
    check(
        "config_bad_set",
        &crawl,
        "trawl validate --set limits.max_page=3 --set limits --set http.timeout.total=soon",
        &run,
    );
}

#[test]
fn config_secret_not_there() {
    let more = "[http.headers]\nAuthorization = { env = \"NEWS_TOKEN_THAT_NOBODY_SETS\" }";
    let crawl = Crawl::new().write("config.toml", format!("{JOB}{SEEDS}\n{more}\n"));
    check("config_secret_not_there", &crawl, "trawl run", &crawl.as_it_stands(&["run"]));
}

#[test]
fn config_ca_file_missing() {
    let crawl = Crawl::new().write("config.toml", format!("{JOB}{SEEDS}\n[http]\nca_file = \"ca.pem\"\n"));
    check("config_ca_file_missing", &crawl, "trawl run", &crawl.as_it_stands(&["run"]));
}

#[test]
fn config_sink_outside_of_the_run() {
    wrong_with(
        "config_sink_outside_of_the_run",
        "[[sinks]]\nid = \"out\"\ntype = \"csv\"\npath = \"../out.csv\"\nfields = [\"url\"]",
    );
}
