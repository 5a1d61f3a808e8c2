//! SIGKILL at any moment: the same command goes on, and what it publishes equals an undisturbed run.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::support::{Answer, Crawl, Dice, PATIENCE, Run, Site, outputs};

/// Places at which a debug build can be told to die, in the order in which a run passes them.
pub const PLACES: &[&str] = &[
    "start.directory",
    "sink.written",
    "sink.synced",
    "journal.written",
    "journal.synced",
    "publish.finished",
    "publish.manifest",
    "publish.success",
    "publish.renamed",
    "publish.latest",
    "publish.indexing",
    "publish.snapshot",
    "publish.indexed",
    "publish.retired",
];

/// Requests in flight at once in these tests: small, so that the bound on repeats means something.
const CONCURRENCY: usize = 4;
/// Records of a checkpoint in these tests.
const CHECKPOINT: usize = 8;
const PAGES: usize = 120;

/// A job that takes about a second, and what it gives when nobody disturbs it.
pub struct Patient {
    pub site: Site,
    pub urls: Vec<String>,
    pub whole: BTreeSet<(String, String)>,
    pub took: Duration,
}

impl Patient {
    pub fn new() -> Self {
        Self::of(PAGES)
    }

    pub fn of(pages: usize) -> Self {
        let (site, urls) = Site::with_pages(pages, Duration::from_millis(25));
        let mut patient = Self { site, urls, whole: BTreeSet::new(), took: Duration::ZERO };
        let crawl = patient.job();
        patient.took = crawl.run().expect(0).took;
        patient.whole = crawl.verify_exact(&patient.urls).contents();
        assert_eq!(patient.site.hits(), pages);
        patient.site.forget();
        patient
    }

    /// A new job over the same pages.
    pub fn job(&self) -> Crawl {
        Self::prepared(Crawl::over(&self.urls))
    }

    /// The same settings on a job of one's own.
    pub fn prepared(crawl: Crawl) -> Crawl {
        outputs::SINKS
            .into_iter()
            .fold(crawl.sink("id = 'pages'\ntype = 'pages'"), Crawl::sink)
            .set("politeness.max_concurrency", i64::try_from(CONCURRENCY).unwrap())
            .set("checkpoint.records", i64::try_from(CHECKPOINT).unwrap())
            .set("checkpoint.every", "200ms")
    }

    /// Resumes, demands that everything is exact, and that no more was fetched again than promised.
    /// Gives the number of repeats back and forgets the site's log.
    #[track_caller]
    pub fn resume(&self, crawl: &Crawl, kills: usize) -> (Run, usize) {
        let run = crawl.run().expect(0);
        (run, self.examine(crawl, kills))
    }

    #[track_caller]
    pub fn examine(&self, crawl: &Crawl, kills: usize) -> usize {
        let dataset = crawl.verify_exact(&self.urls);
        assert_eq!(dataset.contents(), self.whole, "the same keys and digests as an undisturbed run");
        dataset.verify_outputs();
        crawl.trawl(&["verify"]).expect(0);
        let repeats = self.site.hits() - self.urls.len();
        let bound = kills * repeats_per_kill();
        assert!(repeats <= bound, "{repeats} repeats after {kills} kills, at most {bound} are promised");
        self.site.forget();
        repeats
    }
}

/// Promise 1: what was leased and stands in no committed frame.
fn repeats_per_kill() -> usize {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    CONCURRENCY + threads * 32 + 2 * CHECKPOINT
}

/// Kills a new job at a random moment of its run, ten times.
fn killed_at_random_moments(which: u64) {
    let patient = Patient::new();
    let dice = Dice::thrown(&format!("kill.rs, group {which}"));
    let mut most = 0;
    for _ in 0..10 {
        let crawl = patient.job();
        let moment = patient.took.mul_f64(0.95 * dice.below(1000) as f64 / 1000.0);
        let mut running = crawl.spawn();
        // The moment is what is tested here, not something waited for.
        std::thread::sleep(moment);
        assert!(!running.has_ended() || moment > patient.took / 2, "ended before half of its time");
        running.kill9();
        if crawl.is_published() {
            // Going on would be the next run.
            patient.examine(&crawl, 1);
        } else {
            most = most.max(patient.resume(&crawl, 1).1);
        }
    }
    eprintln!("most repeats after one kill: {most} (promised: {})", repeats_per_kill());
}

#[test]
fn at_ten_random_moments() {
    killed_at_random_moments(1);
}

#[test]
fn at_ten_more_random_moments() {
    killed_at_random_moments(2);
}

#[test]
fn at_yet_ten_random_moments() {
    killed_at_random_moments(3);
}

#[test]
fn again_and_again_in_one_run() {
    let patient = Patient::new();
    let crawl = patient.job();
    let mut kills = 0;
    // Each start gets further than the one before, so that this ends.
    while crawl.run_killed_at(&patient.site, 30 * (kills + 1)).was_killed() {
        kills += 1;
        assert!(kills < 20, "it never gets through");
    }
    assert!(kills >= 3, "killed only {kills} times");
    patient.examine(&crawl, kills);
}

#[test]
fn at_each_of_the_first_ten_requests() {
    let patient = Patient::of(40);
    for n in 1..=10 {
        let crawl = patient.job();
        let killed = crawl.run_killed_at(&patient.site, n);
        assert!(killed.was_killed(), "request {n} {killed}");
        patient.resume(&crawl, 1);
    }
}

/// Dies at a named place, then goes on.
fn dies_at(patient: &Patient, wanted: &str) {
    if !cfg!(debug_assertions) {
        crate::support::machine::could_not_run(
            "deaths at named places",
            "a release build does not look for them",
        );
        return;
    }
    let crawl = patient.job().env("TRAWL_CRASH_AT", wanted);
    let died = crawl.run();
    assert!(died.was_killed(), "TRAWL_CRASH_AT={wanted}: it did not die there {died}");
    let crawl = crawl.without_env();
    let is_publishing = wanted.starts_with("publish.");
    if is_publishing {
        assert_eq!(
            patient.site.hits(),
            patient.urls.len(),
            "{wanted}: all is fetched before the publication"
        );
    }
    if wanted == "publish.retired" {
        // The run is over in every respect: what is there must be whole, and the next start is a new run.
        patient.examine(&crawl, 0);
        crawl.run().expect(0);
        assert_eq!(crawl.runs().len(), 2);
        patient.examine(&crawl, 0);
    } else {
        let before = patient.site.hits();
        let published = std::fs::canonicalize(crawl.path("out/latest")).ok();
        crawl.run().expect(0);
        if is_publishing {
            assert_eq!(
                patient.site.hits(),
                before,
                "{wanted}: the publication is finished without a request"
            );
            assert_eq!(crawl.runs().len(), 1, "{wanted}: it is still the same run");
        }
        if let Some(published) = published {
            assert_eq!(published, crawl.latest().dir, "{wanted}: what was published stays where it is");
        }
        patient.examine(&crawl, 1);
    }
}

#[test]
fn at_every_step_of_a_checkpoint() {
    let patient = Patient::of(40);
    dies_at(&patient, "start.directory");
    for place in PLACES.iter().filter(|place| place.starts_with("sink.") || place.starts_with("journal.")) {
        for time in [1, 2, 4] {
            dies_at(&patient, &format!("{place}:{time}"));
        }
    }
}

#[test]
fn at_every_step_of_the_publication() {
    let patient = Patient::of(40);
    for place in PLACES.iter().filter(|place| place.starts_with("publish.")) {
        dies_at(&patient, place);
    }
}

#[test]
fn at_every_step_of_one_publication_in_turn() {
    if !cfg!(debug_assertions) {
        return;
    }
    let patient = Patient::of(20);
    let mut crawl = patient.job();
    for place in PLACES.iter().filter(|place| place.starts_with("publish.") && **place != "publish.retired") {
        crawl = crawl.without_env().env("TRAWL_CRASH_AT", place);
        let died = crawl.run();
        assert!(died.was_killed(), "{place} {died}");
    }
    crawl.without_env().run_to_the_end(&patient);
}

impl Crawl {
    fn run_to_the_end(&self, patient: &Patient) {
        let run = self.run().expect(0);
        assert!(run.took < PATIENCE);
        patient.examine(self, 0);
    }
}

/// Found by a kill in the first milliseconds: the directory was there, the journal not yet.
#[test]
fn a_run_that_died_before_its_journal_leaves_nothing() {
    let (site, urls) = Site::with_pages(3, Duration::ZERO);
    let crawl = Crawl::over(&urls);
    std::fs::create_dir_all(crawl.path("out/runs/20200101T000000Z-0000.partial")).unwrap();
    crawl.run().expect(0);
    crawl.verify_exact(&urls);
    assert_eq!(site.hits(), urls.len());
}

#[test]
fn a_torn_line_in_an_output_is_cut_off() {
    let patient = Patient::of(60);
    let crawl = patient.job();
    assert!(crawl.run_killed_at(&patient.site, 30).was_killed());
    let partial =
        crawl.runs().into_iter().find(|name| name.ends_with(".partial")).expect("an unfinished run");
    for kind in ["records", "outcomes"] {
        for path in crate::support::dataset::below(&crawl.path(&format!("out/runs/{partial}/{kind}"))) {
            let mut content = std::fs::read(&path).unwrap();
            content.extend_from_slice(b"{\"url\":\"torn");
            std::fs::write(&path, content).unwrap();
        }
    }
    patient.resume(&crawl, 1);
}

#[test]
fn an_output_shorter_than_committed_is_refused() {
    let patient = Patient::of(60);
    let crawl = patient.job();
    assert!(crawl.run_killed_at(&patient.site, 50).was_killed());
    let partial =
        crawl.runs().into_iter().find(|name| name.ends_with(".partial")).expect("an unfinished run");
    let outcomes = crate::support::dataset::below(&crawl.path(&format!("out/runs/{partial}/outcomes")));
    std::fs::OpenOptions::new().write(true).open(&outcomes[0]).unwrap().set_len(1).unwrap();
    patient.site.forget();
    crawl.run().expect(74).says("part-00000.jsonl").says("--fresh");
    assert_eq!(patient.site.hits(), 0);
}

#[test]
fn a_page_that_kills_is_found_and_costs_no_other() {
    if !cfg!(debug_assertions) {
        return;
    }
    let (site, urls) = Site::with_pages(40, Duration::from_millis(40));
    // The one that kills answers first, so that none is committed while many are fetched at once.
    site.serve("/page/17", Answer::page("Deadly"));
    let deadly = site.url("/page/17");
    assert!(urls.contains(&deadly));
    let crawl = Crawl::over(&urls).env("TRAWL_CRASH_AT", "parse.page=/page/17");
    let mut deaths = 0;
    let run = loop {
        let run = crawl.run();
        if !run.was_killed() {
            break run;
        }
        deaths += 1;
        // Three without a commit, then two at this page while nothing else is done.
        assert!(deaths <= 5, "it is not found after {deaths} deaths {run}");
    };
    run.expect(0);
    assert!(deaths >= 2, "it died {deaths} times only");
    let dataset = crawl.verify_exact(&urls);
    assert_eq!(dataset.outcome(&deadly), "internal");
    assert_eq!(dataset.records.len(), urls.len() - 1);
    assert!(crawl.trawl(&["verify"]).code == Some(0));
}

#[test]
fn between_a_redirect_and_the_refusal_of_its_target() {
    if !cfg!(debug_assertions) {
        return;
    }
    let site = Site::new();
    site.serve("/moved", Answer::redirect(302, "ftp://elsewhere/"));
    site.serve("/page", Answer::page("Page").after(Duration::from_millis(300)));
    let urls = site.urls(["/moved", "/page"]);
    // A checkpoint for each outcome: the death comes between those of the two.
    let crawl = Crawl::over(&urls).set("checkpoint.records", 1).env("TRAWL_CRASH_AT", "journal.synced:2");
    assert!(crawl.run().was_killed());
    let crawl = crawl.without_env();
    crawl.run().expect(0);
    let dataset = crawl.verify_exact([urls[0].as_str(), urls[1].as_str(), "ftp://elsewhere/"]);
    assert_eq!(dataset.outcome("ftp://elsewhere/"), "skipped_scope");
}

#[test]
fn an_ended_run_whose_directory_is_gone_is_not_published() {
    if !cfg!(debug_assertions) {
        return;
    }
    let patient = Patient::of(20);
    let crawl = patient.job().env("TRAWL_CRASH_AT", "publish.finished");
    assert!(crawl.run().was_killed());
    let crawl = crawl.without_env();
    // Somebody points the job elsewhere, or cleans up too much.
    let elsewhere = ["run", "config.toml", "--set", "job.output_dir=elsewhere"];
    crawl.trawl(&elsewhere).expect(74).says(".partial").says("--fresh");
    assert!(std::fs::symlink_metadata(crawl.path("elsewhere/latest")).is_err(), "it points to nothing");
    crawl.run().expect(0);
    patient.examine(&crawl, 0);
}
