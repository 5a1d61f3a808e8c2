//! Limits are exact: so many records and not one more, and what is left is counted.

use crate::support::{Answer, Crawl, Dataset, Gate, Site};

const PAGES: usize = 15;

/// Pages `/0` to `/14`, where each links to the next two, with a missing page and a redirect among them.
fn site(host: &str) -> Site {
    let site = Site::new();
    serve(&site, host);
    site
}

fn serve(site: &Site, host: &str) {
    let host = host.to_owned();
    site.serve("/robots.txt", Answer::text("")).otherwise(move |seen| {
        let number: Option<usize> = seen.path[1..].parse().ok();
        match number {
            Some(n) if n < PAGES => {
                let next = (n + 1..(n + 3).min(PAGES)).map(|next| format!("/{next}"));
                Answer::links(&format!("{host} {n}"), next.chain(["/gone".to_owned(), "/moved".to_owned()]))
            }
            _ if seen.path == "/moved" => Answer::redirect(301, "/1"),
            _ => Answer::status(404),
        }
    });
}

fn crawl(site: &Site) -> Crawl {
    Crawl::web(["a.test"]).seeds([site.at("a.test", "/0")]).set("scope.type", "host")
}

/// Runs to a limit; checks the sums and gives the published run.
fn limited(crawl: &Crawl, code: i32) -> Dataset {
    crawl.run().expect(code);
    let run = crawl.latest();
    run.verify(run.urls());
    assert_eq!(run.manifest["complete"], code == 0);
    assert_eq!(run.summary["exit_code"], code);
    run
}

#[test]
fn max_pages_is_exact() {
    for concurrency in [1, 8] {
        for most in [1, 7, PAGES - 1] {
            let site = site("a.test");
            let crawl = crawl(&site)
                .set("limits.max_pages", most as i64)
                .set("politeness.max_concurrency", concurrency);
            let run = limited(&crawl, 3);
            assert_eq!(run.records.len(), most, "{concurrency} at once");
            assert_eq!(run.summary["finish_reason"], "limit_pages");
            assert!(run.summary["queued"].as_u64() > Some(0), "what is left is counted");
        }
    }
}

#[test]
fn max_pages_that_is_not_reached_is_no_end() {
    for most in [PAGES, PAGES + 1] {
        let site = site("a.test");
        let run = limited(&crawl(&site).set("limits.max_pages", most as i64), 0);
        assert_eq!(run.records.len(), PAGES, "at most {most}");
        assert_eq!(run.summary["finish_reason"], "finished");
        assert_eq!(run.summary["queued"], 0);
        assert_eq!(run.outcomes.len(), PAGES + 2);
    }
}

#[test]
fn max_pages_over_many_hosts_is_exact() {
    let site = Site::new();
    site.otherwise(|seen| Answer::page(&format!("{}{}", seen.host, seen.path)));
    let hosts: Vec<String> = (0..12).map(|n| format!("h{n}.test")).collect();
    let urls: Vec<String> =
        hosts.iter().flat_map(|host| (0..6).map(|n| site.at(host, &format!("/{n}")))).collect();
    let crawl = Crawl::web(&hosts).seeds(&urls).set("limits.max_pages", 31);
    let run = limited(&crawl, 3);
    assert_eq!(run.records.len(), 31);
    assert!(site.pages() <= 31 + 64, "not much more was asked for than could be used");
}

#[test]
fn max_pages_per_host_is_exact() {
    let site = Site::new();
    serve(&site, "any");
    let hosts = ["a.test", "b.test", "c.test"];
    for concurrency in [1, 8] {
        let crawl = Crawl::web(hosts)
            .seeds(hosts.map(|host| site.at(host, "/0")))
            .set("scope.type", "host")
            .set("politeness.max_concurrency", concurrency)
            .set("limits.max_pages_per_host", 4);
        let run = limited(&crawl, 0);
        assert_eq!(run.summary["finish_reason"], "finished");
        for host in hosts {
            let home = site.at(host, "/");
            let of_host = |urls: std::collections::BTreeSet<&str>| {
                urls.into_iter().filter(|url| url.starts_with(&home)).count()
            };
            assert_eq!(of_host(run.recorded()), 4, "{host}, {concurrency} at once");
            assert!(of_host(run.ended("skipped_budget")) >= 1, "{host}");
        }
        let skipped = run.ended("skipped_budget").into_iter().next().expect("one").to_owned();
        run.ends(&skipped, "skipped_budget", Some(&crawl.place("max_pages_per_host")));
        site.forget();
    }
}

#[test]
fn a_host_with_as_many_pages_as_allowed_is_whole() {
    let site = site("a.test");
    let run = limited(&crawl(&site).set("limits.max_pages_per_host", PAGES as i64), 0);
    assert_eq!(run.records.len(), PAGES);
    assert_eq!(run.ended("skipped_budget").len(), 0);
}

#[test]
fn failures_do_not_count_as_pages_of_a_host() {
    let site = Site::new();
    site.otherwise(|seen| match seen.path[1..].parse::<usize>() {
        Ok(n) if n >= 10 => Answer::page(&seen.path),
        _ => Answer::status(404),
    });
    let urls: Vec<String> = (0..20).map(|n| site.at("a.test", &format!("/{n}"))).collect();
    let crawl = Crawl::web(["a.test"]).seeds(&urls).set("limits.max_pages_per_host", 6);
    let run = limited(&crawl, 0);
    assert_eq!(run.records.len(), 6);
    assert_eq!(run.ended("gone").len() + run.ended("skipped_budget").len(), 14);
}

#[test]
fn max_bytes_ends_the_run() {
    let site = Site::new();
    site.otherwise(|seen| Answer::bytes("text/html", format!("{}{}", seen.path, "x".repeat(10_000))));
    let urls: Vec<String> = (0..40).map(|n| site.at("a.test", &format!("/{n}"))).collect();
    let crawl = Crawl::web(["a.test"])
        .seeds(&urls)
        .set("politeness.max_concurrency", 1)
        .set("limits.max_bytes", "100KiB");
    let run = limited(&crawl, 3);
    assert_eq!(run.summary["finish_reason"], "limit_bytes");
    let asked = site.pages();
    assert!((10..=20).contains(&asked), "asked for {asked} pages of 10 kB for 100 KiB");
    assert_eq!(run.summary["discovered"], 40);
}

#[test]
fn max_duration_leaves_the_queue() {
    let site = site("a.test");
    let urls: Vec<String> = (0..100).map(|n| site.at("a.test", &format!("/gone/{n}"))).collect();
    let crawl = Crawl::web(["a.test"])
        .seeds(std::iter::once(site.at("a.test", "/0")).chain(urls))
        .set("politeness.host_concurrency", 1)
        .set("politeness.host_delay", "300ms")
        .set("limits.max_duration", "2s");
    let run = limited(&crawl, 3);
    assert_eq!(run.summary["finish_reason"], "limit_duration");
    assert_eq!(run.summary["discovered"], 101);
    let asked = site.pages();
    assert_eq!(run.summary["queued"], 101 - asked, "what was asked for has an outcome, the rest is queued");
    assert!((1..=8).contains(&asked), "{asked} in two seconds");
}

#[test]
fn max_duration_does_not_wait_for_a_host_that_hangs() {
    let site = Site::new();
    let gate = Gate::closed();
    let behind = gate.clone();
    site.otherwise(move |seen| {
        let answer = Answer::page(&seen.path);
        if seen.path == "/hang" { answer.behind(&behind) } else { answer }
    });
    let urls = [site.at("a.test", "/ok"), site.at("b.test", "/hang")];
    let crawl = Crawl::web(["a.test", "b.test"])
        .seeds(&urls)
        .set("limits.max_duration", "1s")
        .set("limits.drain", "500ms");
    let run = limited(&crawl, 3);
    assert_eq!((run.records.len(), &run.summary["queued"]), (1, &1.into()));
    gate.open();
}

#[test]
fn what_a_limit_leaves_is_asked_for_by_the_next_run_if_wanted() {
    for keep in [true, false] {
        let site = site("a.test");
        let crawl = crawl(&site).set("limits.max_pages", 5).set("limits.keep_queue", keep);
        let left = limited(&crawl, 3).summary["queued"].as_u64().expect("queued");
        assert!(left > 0);
        // The only seed is gone: what comes now was left.
        let crawl = crawl.set("limits.max_pages", PAGES as i64 * 2);
        site.serve("//a.test/0", Answer::status(404));
        let run = crawl.run();
        if keep {
            run.expect(0);
            let dataset = crawl.latest();
            dataset.verify(dataset.urls());
            assert!(dataset.records.len() as u64 >= left, "{} of {left}", dataset.records.len());
            assert!(!crawl.path("store/carried").exists());
        } else {
            run.expect(4);
        }
    }
}
