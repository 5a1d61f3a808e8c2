//! Somebody cuts, zeroes, flips or deletes a file of a job's state between two runs: the next start recovers, or
//! refuses with a word that names the file and a way out. Never a panic, and never an end that looks well and lacks
//! pages. What stands in sled's own files has tests of its own, beside those of the kill.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::support::dataset::below;
use crate::support::machine::tool;
use crate::support::{Crawl, Dice, Run, Site, outputs};

const PAGES: usize = 24;

/// What happens to a file.
type Damage = (&'static str, fn(&Dice, Vec<u8>) -> Option<Vec<u8>>);

const DAMAGES: [Damage; 9] = [
    ("deleted", |_, _| None),
    ("emptied", |_, _| Some(Vec::new())),
    ("cut in half", |_, content| Some(content[..content.len() / 2].to_vec())),
    ("cut by a byte", |_, mut content| {
        content.pop();
        Some(content)
    }),
    ("zeroed", |_, content| Some(vec![0; content.len()])),
    ("zeroed at its end", |_, mut content| {
        let half = content.len() / 2;
        content[half..].fill(0);
        Some(content)
    }),
    ("flipped at its beginning", |_, content| Some(flipped(content, 0))),
    ("flipped in its middle", |_, content| {
        let middle = content.len() / 2;
        Some(flipped(content, middle))
    }),
    ("flipped somewhere", |dice, content| {
        let at = dice.index(content.len().max(1));
        Some(flipped(content, at))
    }),
];

fn flipped(mut content: Vec<u8>, at: usize) -> Vec<u8> {
    if let Some(byte) = content.get_mut(at) {
        *byte ^= 0x10;
    }
    content
}

/// A job and a copy of its state and output, to which it is set back.
struct Kept<'a> {
    crawl: &'a Crawl,
    urls: &'a [String],
    whole: &'a BTreeSet<(String, String)>,
}

impl<'a> Kept<'a> {
    fn keep(crawl: &'a Crawl, urls: &'a [String], whole: &'a BTreeSet<(String, String)>) -> Self {
        let kept = Self { crawl, urls, whole };
        kept.copy(["store", "out"], ["store.kept", "out.kept"]);
        kept
    }

    fn set_back(&self) {
        self.copy(["store.kept", "out.kept"], ["store", "out"]);
    }

    fn copy(&self, from: [&str; 2], to: [&str; 2]) {
        for (from, to) in from.into_iter().zip(to) {
            let (from, to) = (self.crawl.path(from), self.crawl.path(to));
            let _ = fs::remove_dir_all(&to);
            tool("cp", &["-a", from.to_str().unwrap(), to.to_str().unwrap()]).expect("a copy");
        }
    }

    /// Files of the state, but for sled's own.
    fn files(&self) -> Vec<PathBuf> {
        let store = self.crawl.path("store");
        let mut files = below(&store);
        files.retain(|path| {
            !path.starts_with(store.join("sled")) && !path.starts_with(store.join("sled.damaged"))
        });
        files.sort();
        files
    }

    fn damage(&self, name: &str, change: fn(&Dice, Vec<u8>) -> Option<Vec<u8>>, dice: &Dice) {
        let file = self.crawl.path(name);
        match change(dice, fs::read(&file).expect("the file is there")) {
            Some(content) => fs::write(&file, content).unwrap(),
            None => fs::remove_file(&file).unwrap(),
        }
    }

    /// Every damage to every file.
    fn survives_everything(&self, dice: &Dice) {
        let mut ends: Vec<String> = Vec::new();
        for file in self.files() {
            self.set_back();
            let is_small = fs::metadata(&file).expect("the file is there").len() < 256;
            // What holds a line needs no more than every third.
            for (words, change) in DAMAGES.into_iter().step_by(if is_small { 3 } else { 1 }) {
                self.set_back();
                let name = file.strip_prefix(self.crawl.path("")).unwrap().to_str().unwrap();
                let what = format!("{name} {words}");
                self.damage(name, change, dice);
                let run = self.crawl.run();
                ends.push(format!("{what}: {:?}", run.code));
                self.examine(&run, &file, &what);
            }
        }
        eprintln!("{}", ends.join("\n"));
    }

    #[track_caller]
    fn examine(&self, run: &Run, file: &Path, what: &str) {
        assert!(!run.stderr.contains("panicked at"), "{what} {run}");
        match run.code {
            Some(0) => {}
            Some(74 | 76) => {
                let names = |path: &Path| run.stderr.contains(&*path.to_string_lossy());
                // Where lines are missing it is their folder that lacks them.
                assert!(names(file) || file.parent().is_some_and(names), "{what}: no file is named {run}");
                assert!(run.stderr.contains("hint: "), "{what}: nothing is advised {run}");
                // The way out that is always there.
                if run.code == Some(76) {
                    fs::write(file, "1").unwrap();
                }
                let again = self.crawl.trawl(&["run", "config.toml", "--fresh"]);
                assert_eq!(again.code, Some(0), "{what}, afresh {again}");
            }
            _ => panic!("{what} {run}"),
        }
        let dataset = self.crawl.latest();
        dataset.verify(self.urls);
        assert_eq!(dataset.contents(), *self.whole, "{what}");
        self.crawl.trawl(&["verify"]).expect(0);
        for url in self.urls.iter().step_by(11) {
            let get = self.crawl.trawl(&["get", url]);
            assert_eq!(get.code, Some(0), "{what}: get {url} {get}");
        }
    }
}

fn pages() -> (Site, Vec<String>) {
    Site::with_pages(PAGES, Duration::from_millis(10))
}

fn small(crawl: Crawl) -> Crawl {
    crawl.set("politeness.max_concurrency", 4).set("checkpoint.records", 4).set("checkpoint.every", "50ms")
}

#[test]
fn the_state_of_an_unfinished_run() {
    let (site, urls) = pages();
    let crawl = small(Crawl::over(&urls));
    crawl.run().expect(0);
    let whole = crawl.verify_exact(&urls).contents();
    site.forget();
    assert!(crawl.run_killed_at(&site, PAGES * 2 / 3).was_killed());
    let kept = Kept::keep(&crawl, &urls, &whole);
    assert!(kept.files().iter().any(|file| file.extension().is_some_and(|ending| ending == "journal")));
    kept.survives_everything(&Dice::thrown("state.rs, unfinished"));
}

#[test]
fn the_state_of_a_published_run() {
    let (_site, urls) = pages();
    let crawl = small(Crawl::over(&urls));
    crawl.run().expect(0);
    let whole = crawl.verify_exact(&urls).contents();
    let kept = Kept::keep(&crawl, &urls, &whole);
    assert!(kept.files().iter().any(|file| file.extension().is_some_and(|ending| ending == "snap")));
    kept.survives_everything(&Dice::thrown("state.rs, published"));
}

#[test]
fn what_standard_input_said() {
    let (site, urls) = pages();
    let text = urls.join("\n") + "\n";
    let crawl = small(Crawl::new().source("id = 'stdin'\ntype = 'list'\npath = '-'")).stdin(text);
    crawl.run().expect(0);
    let whole = crawl.verify_exact(&urls).contents();
    site.forget();
    // Killed before all of it was read: the rest stands in the copy alone.
    assert!(crawl.run_killed_at(&site, 1).was_killed());
    let kept = Kept::keep(&crawl, &urls, &whole);
    assert!(crawl.path("store/stdin").is_file(), "standard input is kept");
    let dice = Dice::thrown("state.rs, standard input");
    for (words, change) in DAMAGES {
        kept.set_back();
        kept.damage("store/stdin", change, &dice);
        let run = crawl.run().expect(74).says("store/stdin").says("--fresh");
        kept.examine(&run, &crawl.path("store/stdin"), words);
    }
}

/// What a limit left in the queue stands nowhere else: half of it must not pass for all.
#[test]
fn the_queue_that_a_limit_left() {
    let (_site, urls) = pages();
    let crawl = small(Crawl::over(&urls)).set("limits.keep_queue", true);
    crawl.trawl(&["run", "config.toml", "--limit", "8"]).expect(3);
    let first = crawl.latest();
    let left = urls.iter().filter(|url| !first.urls().contains(url.as_str()));
    let expected: Vec<String> = left.chain([&urls[0]]).cloned().collect();
    assert!(expected.len() > 8, "{} are left", expected.len());
    // From here on the source has one page, and the rest is known from the queue alone.
    let crawl = crawl.write("urls.txt", &urls[0]);
    let whole = BTreeSet::new();
    let kept = Kept::keep(&crawl, &expected, &whole);
    crawl.run().expect(0);
    crawl.verify_exact(&expected);
    let dice = Dice::thrown("state.rs, carried");
    for (words, change) in DAMAGES.into_iter().skip(1) {
        kept.set_back();
        kept.damage("store/carried", change, &dice);
        crawl.run().expect(74).says("store/carried").says("hint: ");
        fs::remove_file(crawl.path("store/carried")).unwrap();
        crawl.run().expect(0);
        eprintln!("carried {words}: refused, and goes on without it");
        crawl.verify_exact(&urls[..1]);
    }
}

/// An output that lost what was committed is refused; what stands behind the last commit is cut off anyway.
#[test]
fn the_outputs_of_an_unfinished_run() {
    let (site, urls) = pages();
    let crawl = small(Crawl::over(&urls)).sink("id = 'pages'\ntype = 'pages'");
    let crawl = outputs::SINKS.into_iter().fold(crawl, Crawl::sink);
    crawl.run().expect(0);
    let whole = crawl.verify_exact(&urls).contents();
    site.forget();
    assert!(crawl.run_killed_at(&site, PAGES * 2 / 3).was_killed());
    let kept = Kept::keep(&crawl, &urls, &whole);
    let partial =
        crawl.runs().into_iter().find(|name| name.ends_with(".partial")).expect("an unfinished run");
    let mut files = below(&crawl.path(&format!("out/runs/{partial}")));
    files.retain(|file| file.file_name().is_some_and(|name| name.to_string_lossy().contains("-00000.")));
    files.sort();
    assert_eq!(files.len(), 6, "one part of each sink: {files:?}");
    let dice = Dice::of(0);
    // Bits that flip are not looked for before a run is published.
    let damages = ["deleted", "emptied", "cut in half", "zeroed"];
    for file in files {
        let name = file.strip_prefix(crawl.path("")).unwrap().to_str().unwrap();
        let mut refused = 0;
        for (words, change) in DAMAGES.into_iter().filter(|(words, _)| damages.contains(words)) {
            kept.set_back();
            kept.damage(name, change, &dice);
            let run = crawl.run();
            refused += usize::from(run.code == Some(74));
            kept.examine(&run, &file, &format!("{name} {words}"));
            crawl.latest().verify_outputs();
        }
        assert!(refused >= 3, "{name}: deleted, emptied and zeroed at least is refused");
    }
}
