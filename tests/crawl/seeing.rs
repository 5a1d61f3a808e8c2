//! Operators can see what a crawl does: `hosts.csv`, `status.json` and `trawl status`, `trawl explain`, `trawl plan`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::crawl::table;
use crate::support::dataset::below;
use crate::support::{Answer, Crawl, Gate, Run, Site, wait_for};

/// A site on which each path is a page, with this robots.txt.
fn site(robots: &str) -> Site {
    let site = Site::new();
    site.otherwise(|seen| Answer::page(&seen.path)).serve("/robots.txt", Answer::text(robots));
    site
}

#[track_caller]
fn json_of(run: &Run) -> Value {
    serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error} {run}"))
}

/// Rows of `hosts.csv` by host, each a map from column to cell. The cells of these tests need no quotes.
fn hosts(dir: &Path) -> BTreeMap<String, BTreeMap<String, String>> {
    let text = fs::read_to_string(dir.join("hosts.csv")).unwrap();
    assert!(text.ends_with("\r\n") && !text.contains('"'), "{text}");
    let mut lines = text.split_terminator("\r\n").map(|line| line.split(',').map(str::to_owned));
    let heading: Vec<String> = lines.next().unwrap().collect();
    lines
        .map(|cells| heading.iter().cloned().zip(cells).collect::<BTreeMap<_, _>>())
        .map(|row| (row["host"].clone(), row))
        .collect()
}

#[test]
fn hosts_csv_counts_what_the_outcomes_say() {
    let site = site("User-agent: *\nDisallow: /no\n");
    site.serve("/gone", Answer::status(410)).serve("/broken", Answer::status(500));
    site.serve("/moved", Answer::redirect(302, "/target"));
    let paths = ["/1", "/2", "/gone", "/broken", "/moved", "/no/1"];
    let mut urls: Vec<String> = paths.iter().map(|path| site.at("a.test", path)).collect();
    urls.push(site.at("b.test", "/1"));
    urls.push("http://nowhere.invalid/".to_owned());
    let crawl = Crawl::web(["a.test", "b.test"]).seeds(urls.iter().cloned().chain(["no url".to_owned()]));
    crawl.run().expect(0);
    let run = crawl.latest();
    run.verify(run.urls());
    let hosts = hosts(&run.dir);
    let a = &hosts[&format!("a.test:{}", site.port())];
    let counts: Vec<&str> = ["urls", "ok", "redirected", "gone", "http_error", "network", "skipped", "other"]
        .iter()
        .map(|column| a[*column].as_str())
        .collect();
    assert_eq!(counts, ["7", "3", "1", "1", "1", "0", "1", "0"]);
    assert_eq!(a["registered_domain"], "a.test");
    assert!(!a["mean_fetch_ms"].is_empty() && !a["last_status"].is_empty());
    assert_eq!(hosts[&format!("b.test:{}", site.port())]["ok"], "1");
    let nowhere = &hosts["nowhere.invalid"];
    assert_eq!((&*nowhere["network"], &*nowhere["last_status"]), ("1", ""));
    assert_eq!((&*hosts["(no host)"]["urls"], &*hosts["(no host)"]["last_outcome"]), ("1", "invalid_url"));
    let in_all: usize = hosts.values().map(|row| row["urls"].parse::<usize>().unwrap()).sum();
    assert_eq!(in_all, run.outcomes.len());
    let listed = run.manifest["files"].as_array().unwrap();
    let entry = listed.iter().find(|entry| entry["path"] == "hosts.csv").expect("in the manifest");
    assert_eq!(entry["records"], hosts.len());
}

#[test]
fn a_repeated_publication_writes_the_same_hosts() {
    let site = site("");
    let urls: Vec<String> = ["a.test", "b.test"].iter().map(|host| site.at(host, "/")).collect();
    let crawl = Crawl::web(["a.test", "b.test"]).seeds(&urls).env("TRAWL_CRASH_AT", "publish.manifest");
    assert!(crawl.run().was_killed());
    let partial = crawl.path("out/runs").join(&crawl.runs()[0]);
    let before = fs::read(partial.join("hosts.csv")).unwrap();
    let crawl = crawl.without_env();
    let waits = crawl.trawl(&["status"]).expect(0).stdout;
    assert!(waits.contains("waits to be published"), "{waits}");
    crawl.run().expect(0);
    assert_eq!(fs::read(crawl.verify_exact(&urls).dir.join("hosts.csv")).unwrap(), before);
}

/// A crawl of six pages of `slow.test`, all behind the gate, and two of `quick.test`, which are through.
fn half_way(gate: &Gate) -> (Site, Crawl, Vec<String>) {
    let site = Site::new();
    let behind = gate.clone();
    site.otherwise(move |seen| {
        let answer = Answer::page(&seen.path);
        if seen.host == "slow.test" { answer.behind(&behind) } else { answer }
    });
    site.serve("/robots.txt", Answer::text(""));
    let mut urls: Vec<String> = (0..6).map(|n| site.at("slow.test", &format!("/{n}"))).collect();
    urls.extend((0..2).map(|n| site.at("quick.test", &format!("/{n}"))));
    let crawl = Crawl::web(["slow.test", "quick.test"])
        .seeds(&urls)
        .set("politeness.host_concurrency", 2)
        .set("checkpoint.every", "50ms")
        .set("hosts", table(&format!("['slow.test:{}']\ndelay = '20ms'", site.port())));
    (site, crawl, urls)
}

#[test]
fn a_live_run_says_what_it_does_host_by_host() {
    let gate = Gate::closed();
    let (site, crawl, urls) = half_way(&gate);
    let running = crawl.spawn();
    let status = wait_for("the quick host to be through and two slow pages in flight", || {
        let status = crawl.trawl(&["status", "--json"]);
        let status: Value = serde_json::from_str(&status.stdout).ok()?;
        let slow = &status["hosts"][0];
        (status["settled"] == 2 && slow["in_flight"] == 2 && slow["queued"] == 4).then_some(status)
    });
    assert_eq!(status["state"], "running");
    assert_eq!(
        (&status["discovered"], &status["queued"], &status["refused"]),
        (&json!(8), &json!(6), &json!(0))
    );
    assert_eq!((&status["outcomes"], &status["records"]), (&json!({"ok": 2}), &json!(2)));
    let slow = &status["hosts"][0];
    assert_eq!(slow["host"], format!("slow.test:{}", site.port()));
    assert_eq!((&slow["delay_ms"], &slow["due_ms"]), (&json!(20), &Value::Null), "there is no room");
    assert_eq!((&slow["urls"], &slow["ok"], &slow["last_status"]), (&json!(0), &json!(0), &Value::Null));
    let people = crawl.trawl(&["status"]).expect(0).stdout;
    let pid = running.pid().as_raw_nonzero();
    assert!(people.contains(&format!("process {pid}")) && people.contains("running for"), "{people}");
    let line = people.lines().find(|line| line.starts_with("slow.test")).expect("its line");
    let cells: Vec<&str> = line.split_whitespace().collect();
    assert_eq!(cells[1..], ["4", "2", "20ms", "-", "-", "0", "of", "0", "-"], "{people}");

    let killed = running.kill9();
    assert!(killed.was_killed());
    let people = crawl.trawl(&["status"]).expect(0).stdout;
    assert!(people.contains("interrupted, last heard of"), "{people}");
    assert_eq!(json_of(&crawl.trawl(&["status", "--json"]).expect(0))["state"], "interrupted");
    gate.open();
    crawl.run().expect(0);
    crawl.verify_exact(&urls);
}

#[test]
fn what_the_last_run_came_to_is_said_when_none_is_unfinished() {
    let site = site("");
    let crawl = Crawl::web(["a.test"]).seeds([site.at("a.test", "/1")]);
    crawl.trawl(&["status"]).expect(1).says("has not run yet");
    crawl.run().expect(0);
    let run_id = crawl.latest().run_id();
    let people = crawl.trawl(&["status"]).expect(0).stdout;
    assert!(people.starts_with(&format!("run {run_id} of job test: published at ")), "{people}");
    let status = json_of(&crawl.trawl(&["status", "--json"]).expect(0));
    assert_eq!((&status["state"], &status["run_id"]), (&json!("published"), &json!(run_id)));
    assert_eq!(status["outcomes"], json!({"ok": 1}));

    let crawl = crawl.set("sources", Vec::<toml::Value>::new()).seeds([site.at("a.test", "/none")]);
    site.serve("/none", Answer::status(404));
    crawl.run().expect(4);
    let failed = json_of(&crawl.trawl(&["status", "--json"]).expect(0));
    assert_eq!((&failed["state"], &failed["exit_code"]), (&json!("failed"), &json!(4)));
}

#[test]
fn watching_ends_with_the_run() {
    let gate = Gate::closed();
    let (_site, crawl, urls) = half_way(&gate);
    let running = crawl.spawn();
    wait_for("the run to begin", || crawl.trawl(&["status"]).stdout.contains("running for").then_some(()));
    let watch = crawl.start(&["status", "--watch", "--json"]);
    wait_for("a first look", || watch.stdout_so_far().contains('\n').then_some(()));
    gate.open();
    running.wait().expect(0);
    let seen = watch.wait().expect(0).stdout;
    let states: Vec<Value> =
        seen.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["state"].clone()).collect();
    assert_eq!(
        (states.first(), states.last()),
        (Some(&json!("running")), Some(&json!("published"))),
        "{seen}"
    );
    crawl.verify_exact(&urls);
    let people = crawl.trawl(&["status", "--watch"]).expect(0).stdout;
    assert!(people.contains("published at") && !people.contains('\u{1b}'), "{people}");
}

#[test]
fn nothing_from_outside_commands_the_terminal() {
    let site = site("");
    let evil = site.at("a.test", "/\u{202e}%1b[31m");
    site.serve("/moved", Answer::redirect(302, "http://a.test:1/\u{9b}31m"));
    let crawl =
        Crawl::web(["a.test"]).list([evil.as_str(), &site.at("a.test", "/moved"), "no \u{1b}[31m url"]);
    crawl.run();
    for args in [
        &["status"][..],
        &["explain", "no \u{1b}[31m url"],
        &["explain", &evil],
        &["explain", &evil, "--json"],
        &["explain", &site.at("a.test", "/moved")],
        &["plan"],
    ] {
        let said = crawl.trawl(args);
        let shown = format!("{}{}", said.stdout, said.stderr);
        assert!(!shown.contains(['\u{1b}', '\u{9b}', '\u{202e}']), "{args:?} {said}");
    }
}

/// What `trawl explain --json` says of a URL.
#[track_caller]
fn explained(crawl: &Crawl, url: &str, code: i32) -> Value {
    json_of(&crawl.trawl(&["explain", url, "--json"]).expect(code))
}

#[test]
fn a_url_nobody_knows_is_explained_by_the_scope_alone() {
    let crawl = Crawl::web(["a.test"])
        .source("id = 'docs'\ntype = 'urls'\nurls = ['http://a.test/docs/']")
        .source("id = 'more'\ntype = 'urls'\nurls = ['http://b.test/']\nscope = { type = 'any' }")
        .set("scope.type", "host")
        .set("scope.exclude", vec!["\\.pdf$"])
        .set("scope.normalize", table("strip_params = ['utm_*']"));
    let seed = explained(&crawl, "HTTP://A.test:80/docs/#top", 0);
    assert_eq!((&seed["known"], &seed["url"]), (&json!(true), &json!("http://a.test/docs/")));
    assert_eq!(seed["sources"][0]["is_seed"], true);
    let steps: Vec<&str> =
        seed["steps"].as_array().unwrap().iter().map(|s| s["what"].as_str().unwrap()).collect();
    assert!(steps.contains(&"fragment dropped"), "{steps:?}");
    let link = explained(&crawl, "http://a.test/x?utm_a=1&b=2", 1);
    assert_eq!(link["url"], "http://a.test/x?b=2");
    assert_eq!(
        (&link["sources"][0]["is_followed"], &link["sources"][0]["is_seed"]),
        (&json!(true), &json!(false))
    );
    assert_eq!(
        (&link["unfinished"], &link["published"], &link["record"]),
        (&Value::Null, &Value::Null, &Value::Null)
    );

    let pdf = explained(&crawl, "http://c.test/a.pdf", 1);
    for source in pdf["sources"].as_array().unwrap() {
        assert_eq!(
            (&source["is_followed"], &source["refused"]["outcome"]),
            (&json!(false), &json!("skipped_scope"))
        );
        let rule = source["refused"]["rule"].as_str().unwrap();
        assert!(rule.contains(&crawl.place("exclude")), "{rule}");
    }
    let outside = explained(&crawl, "http://c.test/", 1);
    let followed: Vec<&Value> =
        outside["sources"].as_array().unwrap().iter().map(|source| &source["is_followed"]).collect();
    assert_eq!(followed, [&json!(false), &json!(true)], "the scope of the second source is `any`");
    let people = crawl.trawl(&["explain", "http://c.test/"]).expect(1);
    assert!(people.stdout.contains("nothing is known of it"), "{people}");
    crawl.trawl(&["explain", "ftp://c.test/"]).expect(2).says("cannot be fetched");
    let refused = crawl.seeds(["ftp://c.test/"]);
    assert_eq!(explained(&refused, "ftp://c.test/", 0)["sources"][2]["is_seed"], true);
}

#[test]
fn an_unfinished_run_is_explained_from_its_journal() {
    let gate = Gate::closed();
    let site = site("User-agent: *\n\nDisallow: /no\n");
    site.serve("/", Answer::links("Start", ["/slow", "/no/1", "/flaky", "/moved", "http://out.test/"]));
    site.serve("/moved", Answer::redirect(301, "/to"));
    site.serve("/slow", Answer::page("slow").behind(&gate));
    site.serve("/flaky", Answer::status(500));
    let start = site.at("a.test", "/");
    let crawl = Crawl::web(["a.test"])
        .seeds([&start])
        .set("scope.type", "host")
        .set("checkpoint.every", "50ms")
        .set("retry.backoff", table("initial = '1h'\nmax = '1h'\njitter = 0.0"));
    let running = crawl.spawn();
    let at = |path: &str| site.at("a.test", path);
    wait_for("all but the slow page and the flaky one", || {
        let status: Value = serde_json::from_str(&crawl.trawl(&["status", "--json"]).stdout).ok()?;
        (status["settled"] == 4).then_some(())
    });
    let slow = explained(&crawl, &at("/slow"), 0)["unfinished"].clone();
    assert_eq!((&slow["is_admitted"], &slow["outcome"]), (&json!(true), &Value::Null));
    assert_eq!((&slow["source_id"], &slow["depth"]), (&json!("seeds"), &json!(1)));
    assert_eq!(slow["discovered_from"], start);
    assert_eq!((&slow["robots"]["is_allowed"], &slow["robots"]["status"]), (&json!(true), &json!(200)));
    let no = explained(&crawl, &at("/no/1"), 0)["unfinished"].clone();
    assert_eq!(no["outcome"], "skipped_robots");
    assert_eq!(no["robots"]["rule"], at("/robots.txt:3"));
    assert_eq!(
        (&no["robots"]["reason"], &no["lines"][0]["rule"]),
        (&json!("Disallow: /no"), &no["robots"]["rule"])
    );
    let moved = explained(&crawl, &at("/moved"), 0)["unfinished"].clone();
    let chain: Vec<&Value> = moved["lines"].as_array().unwrap().iter().map(|line| &line["url"]).collect();
    assert_eq!(chain, [&json!(at("/moved")), &json!(at("/to"))]);
    let to = explained(&crawl, &at("/to"), 0);
    assert_eq!(to["unfinished"]["redirects"], json!([at("/moved")]));
    assert_eq!((&to["record"]["run_id"], &to["published"]), (&to["unfinished"]["run_id"], &Value::Null));
    let flaky = explained(&crawl, &at("/flaky"), 0)["unfinished"].clone();
    assert_eq!((&flaky["tries"][0]["reason"], &flaky["outcome"]), (&json!("HTTP 500"), &Value::Null));
    assert!(flaky["next_try"].as_str() > flaky["tries"][0]["time"].as_str(), "{flaky}");
    let out = explained(&crawl, "http://out.test/", 0)["unfinished"].clone();
    assert_eq!((&out["is_admitted"], &out["refused"]["outcome"]), (&json!(false), &json!("skipped_scope")));
    let rule = out["refused"]["rule"].as_str().unwrap();
    assert!(rule.contains(&crawl.place("type = \"host\"")), "{rule}");
    let other = explained(&crawl, &at("/other"), 1);
    assert_eq!(other["known"], false);
    assert_eq!(other["sources"][0]["is_followed"], true);
    let people = crawl.trawl(&["explain", &at("/flaky")]).expect(0).stdout;
    assert!(people.contains("HTTP 500") && people.contains("tried again"), "{people}");
    running.kill9();
}

#[test]
fn a_published_run_is_explained_by_its_outcomes_and_the_record_can_be_read_there() {
    let site = site("");
    site.serve("/a", Answer::redirect(302, "/b")).serve("/b", Answer::redirect(302, "/c"));
    site.serve("/none", Answer::status(404));
    let at = |path: &str| site.at("a.test", path);
    let crawl = Crawl::web(["a.test"]).seeds([at("/a"), at("/none")]);
    crawl.run().expect(0);
    let a = explained(&crawl, &at("/a"), 0);
    assert_eq!(a["unfinished"], Value::Null);
    let lines = a["published"]["lines"].as_array().unwrap();
    let chain: Vec<(&str, &str)> =
        lines.iter().map(|line| (line["url"].as_str().unwrap(), line["outcome"].as_str().unwrap())).collect();
    assert_eq!(chain, [(&*at("/a"), "redirected"), (&*at("/b"), "redirected"), (&*at("/c"), "ok")]);
    let c = explained(&crawl, &at("/c"), 0);
    let place = &c["record"];
    let file = fs::read(place["path"].as_str().unwrap()).unwrap();
    let from = usize::try_from(place["offset"].as_u64().unwrap()).unwrap();
    let line = &file[from..from + usize::try_from(place["length"].as_u64().unwrap()).unwrap()];
    let record: Value = serde_json::from_slice(line).unwrap();
    assert_eq!((&record["url"], line.last()), (&json!(at("/c")), Some(&b'\n')));
    let none = explained(&crawl, &at("/none"), 0);
    assert_eq!((&none["published"]["lines"][0]["outcome"], &none["record"]), (&json!("gone"), &Value::Null));
    let people = crawl.trawl(&["explain", &at("/a")]).expect(0).stdout;
    assert_eq!(people.matches("redirected to").count(), 2, "{people}");
}

fn sitemap(urls: &[String]) -> Answer {
    let entries: String = urls.iter().map(|url| format!("<url><loc>{url}</loc></url>")).collect();
    Answer::xml(format!("<urlset xmlns='http://www.sitemaps.org/schemas/sitemap/0.9'>{entries}</urlset>"))
}

#[test]
fn a_plan_asks_for_robots_and_sitemaps_alone_and_leaves_nothing() {
    let site = site("User-agent: *\nDisallow: /no\nCrawl-delay: 0.2\n");
    let at = |host: &str, path: &str| site.at(host, path);
    site.serve("//b.test/robots.txt", Answer::status(404));
    site.serve("//c.test/robots.txt", Answer::status(503));
    site.serve("//d.test/robots.txt", Answer::text("User-agent: *\nCrawl-delay: 90\n"));
    site.serve(
        "/map.xml",
        sitemap(&[at("a.test", "/1"), at("a.test", "/no/2"), at("b.test", "/3"), "x:y".to_owned()]),
    );
    site.serve("/lost.xml", Answer::status(404));
    let maps = format!(
        "id = 'map'\ntype = 'sitemap'\nurls = ['{}', '{}']",
        at("a.test", "/map.xml"),
        at("a.test", "/lost.xml")
    );
    let seeds =
        [at("a.test", "/1"), at("a.test", "/4"), at("c.test", "/5"), at("d.test", "/6"), at("d.test", "/7")];
    let crawl = Crawl::web(["a.test", "b.test", "c.test", "d.test"])
        .seeds(&seeds)
        .source(&maps)
        .source("id = 'in'\ntype = 'list'\npath = '-'")
        .set("politeness.host_delay", "50ms");
    let planned = crawl.trawl(&["plan", "--json"]).expect(0);
    let plan = json_of(&planned);
    let asked = site.see(crate::support::site::View::counts);
    let lists: BTreeMap<String, usize> = [("/lost.xml", 1), ("/map.xml", 1), ("/robots.txt", 4)]
        .map(|(path, count)| (path.to_owned(), count))
        .into();
    assert_eq!(asked, lists, "no page is fetched, and nothing twice");
    assert!(!crawl.path("store").exists() && !crawl.path("out").exists());
    assert_eq!(below(&crawl.path("")).len(), 1, "the config alone");

    let host = |name: &str| {
        let name = format!("{name}:{}", site.port());
        let hosts = plan["hosts"].as_array().unwrap();
        hosts.iter().find(|host| host["host"] == name).unwrap_or_else(|| panic!("no {name} in {plan}"))
    };
    let facts = |name: &str| {
        ["urls", "disallowed", "lost", "to_fetch", "delay_ms", "least_time_ms", "lists_read"]
            .map(|key| host(name)[key].as_u64().unwrap())
    };
    assert_eq!(facts("a.test"), [3, 1, 0, 2, 200, 400, 1]);
    assert_eq!(facts("b.test"), [1, 0, 0, 1, 50, 50, 0]);
    assert_eq!(facts("c.test"), [1, 0, 0, 1, 50, 50, 0]);
    assert_eq!(facts("d.test"), [2, 0, 2, 0, 90_000, 0, 0], "it wants more than `max_crawl_delay`");
    let robots = |name: &str| host(name)["robots"].as_object().unwrap().values().next().cloned().unwrap();
    assert_eq!(["a.test", "b.test", "c.test"].map(robots), ["200", "404", "503"]);
    assert_eq!(
        (&host("c.test")["is_undecided"], &host("b.test")["is_undecided"]),
        (&json!(true), &json!(false))
    );
    assert_eq!(
        (&host("a.test")["crawl_delay_ms"], &host("b.test")["crawl_delay_ms"]),
        (&json!(200), &Value::Null)
    );
    assert_eq!(host("a.test")["troubles"][0]["url"], at("a.test", "/lost.xml"));
    let totals = ["urls", "disallowed", "to_fetch", "refused", "lists_read", "least_time_ms"];
    assert_eq!(totals.map(|key| plan[key].as_u64().unwrap()), [7, 1, 4, 1, 1, 400]);
    assert!(plan["notes"].to_string().contains("standard input"), "{plan}");

    let people = crawl.trawl(&["plan"]).expect(0).stdout;
    let line = people.lines().find(|line| line.starts_with("a.test")).expect("its line");
    let cells: Vec<&str> = line.split_whitespace().collect();
    assert_eq!(cells[1..], ["3", "2", "1", "200", "200ms", "200ms", "1", "400ms"], "{people}");
    assert!(people.contains("at least 400ms"), "{people}");
}

#[test]
fn a_plan_counts_to_its_bound_and_says_so() {
    let site = site("");
    let urls = (0..100_010).map(|n| site.at("a.test", &format!("/{}", n % 100_005)));
    let crawl = Crawl::web(["a.test"]).list(urls).set("limits.max_pages_per_host", 10);
    let plan = json_of(&crawl.trawl(&["plan", "--json"]).expect(0));
    assert_eq!((&plan["urls"], &plan["is_cut"]), (&json!(100_000), &json!(true)));
    assert_eq!((&plan["to_fetch"], &plan["hosts"][0]["over_budget"]), (&json!(10), &json!(99_990)));
    assert_eq!(site.hits(), 1, "robots.txt, once for all");
}

#[test]
fn a_plan_without_robots_asks_nobody() {
    let site = site("User-agent: *\nDisallow: /\n");
    let crawl = Crawl::web(["a.test"]).seeds([site.at("a.test", "/1")]).set("politeness.obey_robots", false);
    let plan = json_of(&crawl.trawl(&["plan", "--json"]).expect(0));
    assert_eq!((&plan["to_fetch"], &plan["hosts"][0]["robots"]), (&json!(1), &json!({})));
    assert_eq!(site.hits(), 0);
}

#[test]
fn an_interrupted_plan_says_what_it_found_and_cleans_up() {
    let gate = Gate::closed();
    let site = site("");
    site.serve("//slow.test/robots.txt", Answer::text("").behind(&gate));
    let urls = ["quick.test", "slow.test"].map(|host| site.at(host, "/1"));
    let crawl = Crawl::web(["quick.test", "slow.test"])
        .seeds(&urls)
        .set("limits.drain", "800ms")
        .write("tmp/mine", "");
    let scratch = crawl.path("tmp");
    let crawl = crawl.env("TMPDIR", scratch.to_str().unwrap());
    let plan = crawl.start(&["plan", "--json"]);
    site.wait_until("both to be asked", |view| view.hits() == 2);
    plan.signal(rustix::process::Signal::INT);
    let plan = json_of(&plan.wait().expect(11));
    assert_eq!((&plan["is_interrupted"], &plan["urls"]), (&json!(true), &json!(2)));
    assert_eq!(below(&scratch), [scratch.join("mine")]);
}
