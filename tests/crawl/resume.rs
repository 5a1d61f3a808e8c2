//! SIGKILL in the middle of the web, and the same command again: the same set, and nothing of what a host was
//! promised is forgotten.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::graph::{asked, examine, wanted, web};
use crate::support::crawl::table;
use crate::support::{Answer, Crawl, Dice, Site};

const CONCURRENCY: usize = 4;
const CHECKPOINT: usize = 8;

/// Small, so that the bound on repeats means something.
fn small(crawl: Crawl) -> Crawl {
    crawl
        .set("politeness.max_concurrency", CONCURRENCY as i64)
        .set("checkpoint.records", CHECKPOINT as i64)
        .set("checkpoint.every", "100ms")
}

/// What may be fetched again after one kill: what was leased and stands in no committed frame.
fn repeats_per_kill() -> usize {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    CONCURRENCY + threads * 32 + 2 * CHECKPOINT
}

/// Kills a crawl of a web again and again; gives how often.
fn killed_again_and_again(seed: u64, step: usize) -> usize {
    let (site, web) = web(seed, 150);
    let fates = web.oracle(|_| None);
    let crawl = small(web.crawl());
    let mut kills = 0;
    loop {
        let run = crawl.run_killed_at(&site, site.hits() + step);
        if !run.was_killed() {
            run.expect(0);
            break;
        }
        kills += 1;
        assert!(kills < 60, "it never gets through, seed {seed}");
        if crawl.is_published() {
            break;
        }
    }
    examine(&crawl, &fates);
    let (asked, wanted) = (asked(&site), wanted(&fates));
    assert_eq!(
        asked.keys().collect::<BTreeSet<_>>(),
        wanted.keys().collect::<BTreeSet<_>>(),
        "each that is wanted, no other, seed {seed}"
    );
    let repeats = asked.values().sum::<usize>() - wanted.values().sum::<usize>();
    assert!(repeats <= kills * repeats_per_kill(), "{repeats} repeats after {kills} kills, seed {seed}");
    kills
}

#[test]
fn a_web_is_the_same_after_any_number_of_kills() {
    let kills: usize = (1..=4).map(|seed| killed_again_and_again(seed, 40)).sum();
    assert!(kills >= 4, "killed only {kills} times");
}

#[test]
fn a_web_is_the_same_after_kills_at_random_requests() {
    let dice = Dice::thrown("crawl/resume.rs");
    for _ in 0..4 {
        killed_again_and_again(dice.next(), 25 + dice.index(60));
    }
}

/// Thirty pages of one host, one at a time, a checkpoint for each.
fn line_of_pages(more: &[(&'static str, Answer)]) -> (Site, Vec<String>, Crawl) {
    let site = Site::new();
    site.otherwise(|seen| Answer::page(&seen.path).after(Duration::from_millis(30)));
    site.serve("/robots.txt", Answer::text("User-agent: *\nDisallow: /no\n"));
    for (path, answer) in more {
        site.serve(path, answer.clone());
    }
    let paths = more.iter().map(|(path, _)| (*path).to_owned()).chain((0..30).map(|n| format!("/{n}")));
    let urls: Vec<String> = paths.map(|path| site.at("a.test", &path)).collect();
    let crawl = Crawl::web(["a.test"])
        .seeds(&urls)
        .set("politeness.host_concurrency", 1)
        .set("checkpoint.records", 1)
        .set("checkpoint.every", "20ms");
    (site, urls, crawl)
}

#[test]
fn robots_txt_is_not_asked_for_again() {
    let (site, urls, crawl) = line_of_pages(&[]);
    let forbidden = site.at("a.test", "/no/1");
    let crawl = crawl.source(&format!("id = 'no'\ntype = 'urls'\nurls = ['{forbidden}']"));
    for at in [12, 22] {
        assert!(crawl.run_killed_at(&site, at).was_killed());
    }
    crawl.run().expect(0);
    let run = crawl.verify_exact(urls.iter().chain([&forbidden]));
    run.ends(&forbidden, "skipped_robots", Some("robots.txt:2"));
    assert_eq!(site.hits_of("/robots.txt"), 1);
}

#[test]
fn the_order_within_a_host_stays() {
    let (site, urls, crawl) = line_of_pages(&[]);
    for at in [8, 18] {
        assert!(crawl.run_killed_at(&site, at).was_killed());
    }
    crawl.run().expect(0);
    crawl.verify_exact(&urls);
    let mut seen = BTreeSet::new();
    let mut first = site.see(|view| view.paths("a.test"));
    first.retain(|path| seen.insert(path.clone()));
    let wanted: Vec<String> = (0..30).map(|n| format!("/{n}")).collect();
    assert_eq!(first[1..], wanted);
}

#[test]
fn tries_are_counted_on() {
    let (site, urls, crawl) = line_of_pages(&[("/bad", Answer::status(500))]);
    let crawl = crawl
        .set("retry.max_retries", 3)
        .set("retry.backoff", table("initial = '400ms'\nfactor = 1.0\nmax = '400ms'\njitter = 0.0"));
    // Some pages after the first try, so that it stands in a frame, and before the second.
    assert!(crawl.run_killed_at(&site, 8).was_killed());
    assert_eq!(site.hits_of("/bad"), 1);
    crawl.run().expect(0);
    let run = crawl.verify_exact(&urls);
    assert_eq!(site.hits_of("/bad"), 4);
    assert_eq!(run.ending(&urls[0])["attempts"], 4);
}

#[test]
fn a_wait_that_was_asked_for_is_still_owed() {
    let site = Site::new();
    site.otherwise(|seen| Answer::page(&seen.path).after(Duration::from_millis(30)));
    site.serve("/robots.txt", Answer::text(""));
    let count = std::sync::atomic::AtomicUsize::new(0);
    site.serve_with("//busy.test/0", move |_| {
        match count.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
            0 => Answer::status(503).header("retry-after", "4"),
            _ => Answer::page("Free"),
        }
    });
    let urls: Vec<String> = (0..30)
        .flat_map(|n| ["busy.test", "free.test"].map(|host| site.at(host, &format!("/{n}"))))
        .collect();
    let crawl = Crawl::web(["busy.test", "free.test"])
        .seeds(&urls)
        .set("politeness.host_concurrency", 1)
        .set("checkpoint.records", 1)
        .set("checkpoint.every", "20ms");
    // The other host goes on for some pages, so that the wait stands in a frame.
    assert!(crawl.run_killed_at(&site, 14).was_killed());
    let crawl = crawl.set("limits.max_duration", "30s");
    let run = crawl.run();
    assert!(matches!(run.code, Some(0 | 3)), "{run}");
    let arrivals = site.see(|view| view.arrivals("busy.test"));
    let told = arrivals.iter().position(|seen| seen.path == "/0").expect("it was asked");
    let next = arrivals[told + 1].at.duration_since(arrivals[told].at);
    assert!(next >= Duration::from_secs(4), "asked again after {next:?}");
}

#[test]
fn a_host_that_was_given_its_pages_gets_no_more() {
    let site = Site::new();
    site.otherwise(|seen| Answer::page(&seen.path).after(Duration::from_millis(10)));
    site.serve("/robots.txt", Answer::text(""));
    let urls: Vec<String> =
        (0..20).flat_map(|n| ["a.test", "b.test"].map(|host| site.at(host, &format!("/{n}")))).collect();
    let crawl = small(Crawl::web(["a.test", "b.test"])).seeds(&urls).set("limits.max_pages_per_host", 7);
    assert!(crawl.run_killed_at(&site, 8).was_killed());
    crawl.run().expect(0);
    let run = crawl.verify_exact(&urls);
    for host in ["a.test", "b.test"] {
        let of_host = run
            .records
            .iter()
            .filter(|record| record["host"].as_str().is_some_and(|name| name.starts_with(host)));
        assert_eq!(of_host.count(), 7, "{host}");
    }
    assert_eq!(run.ended("skipped_budget").len(), 26);
}

#[test]
fn max_pages_is_exact_over_a_kill() {
    let (site, web) = web(11, 150);
    let crawl = small(web.crawl()).set("limits.max_pages", 40);
    assert!(crawl.run_killed_at(&site, 30).was_killed());
    crawl.run().expect(3);
    let run = crawl.latest();
    run.verify(run.urls());
    assert_eq!(run.records.len(), 40);
}

#[test]
fn a_sitemap_is_read_on_after_a_kill() {
    let site = Site::new();
    let urls: Vec<String> = (0..500).map(|n| site.at("a.test", &format!("/{n}"))).collect();
    let entries: String = urls.iter().map(|url| format!("<url><loc>{url}</loc></url>")).collect();
    site.otherwise(|seen| Answer::page(&seen.path)).serve("/robots.txt", Answer::text(""));
    site.serve("/map.xml", Answer::xml(format!("<urlset>{entries}</urlset>")));
    let map = site.at("a.test", "/map.xml");
    for at in [1, 2, 3, 40, 300] {
        let crawl =
            small(Crawl::web(["a.test"])).source(&format!("id = 's'\ntype = 'sitemap'\nurls = ['{map}']"));
        let killed = crawl.run_killed_at(&site, at);
        assert!(killed.was_killed(), "at request {at} {killed}");
        crawl.run().expect(0);
        let run = crawl.verify_exact(urls.iter().chain([&map]));
        assert_eq!(run.records.len(), 500, "killed at request {at}");
        site.forget();
    }
}

/// Kills a run while its only host owes the wait of four seconds that `busy` answered, and takes it up again. Gives
/// the time between that answer's request and the next.
fn owed_over_a_kill(busy: &str, retries: i64) -> Duration {
    let site = Site::new();
    let count = std::sync::atomic::AtomicUsize::new(0);
    site.otherwise(|seen| Answer::page(&seen.path)).serve("/robots.txt", Answer::text(""));
    site.serve_with(busy, move |_| match count.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
        0 => Answer::status(503).header("retry-after", "4"),
        _ => Answer::text(""),
    });
    let urls = ["/0", "/1"].map(|path| site.at("a.test", path));
    let crawl = Crawl::web(["a.test"])
        .seeds(&urls)
        .set("retry.max_retries", retries)
        .set("politeness.host_concurrency", 1)
        .set("checkpoint.every", "50ms");
    let running = crawl.spawn();
    site.wait_until("the busy answer", |view| view.hits_of(busy) == 1 && view.in_flight == 0);
    // Nothing more is asked for now; what is owed has half a second to become durable.
    std::thread::sleep(Duration::from_millis(500));
    assert!(running.kill9().was_killed());
    crawl.run().expect(0);
    let arrivals = site.see(|view| view.arrivals("a.test"));
    let told = arrivals.iter().position(|seen| seen.path == busy).expect("it was asked");
    arrivals[told + 1].at.duration_since(arrivals[told].at)
}

#[test]
fn a_wait_is_owed_though_nothing_else_happened_before_the_kill() {
    for (busy, retries) in [("/0", 2), ("/0", 0), ("/robots.txt", 2)] {
        let next = owed_over_a_kill(busy, retries);
        assert!(next >= Duration::from_secs(4), "{busy}, {retries} retries: asked again after {next:?}");
    }
}
