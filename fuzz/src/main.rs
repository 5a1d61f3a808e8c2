//! Fuzzing on stable Rust: `trawl-fuzz TARGET --seconds N [CORPUS...]` changes inputs and runs the target on them;
//! `trawl-fuzz TARGET FILE...` and `trawl-fuzz TARGET -` run it once, for other fuzzers and to look at a finding.

use std::collections::HashSet;
use std::io::Read;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

mod mutate;
mod targets;

use mutate::Chance;
use targets::{TARGETS, Target};

/// The stack of a thread that parses pages.
const STACK: usize = 16 << 20;
/// An input that takes as long as this, in a debug build, is a finding.
const SLOW: Duration = Duration::from_secs(20);
/// Address space, in bytes: an allocation beyond it is a finding, because the process dies of it.
const MEMORY: u64 = 2 << 30;
/// Findings after which a hunt ends.
const ENOUGH: usize = 10;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match work(&arguments) {
        Ok(code) => code,
        Err(words) => {
            eprintln!("{words}");
            ExitCode::from(2)
        }
    }
}

fn work(arguments: &[String]) -> Result<ExitCode, String> {
    let Some((name, rest)) = arguments.split_first() else { return Err(usage()) };
    let target = targets::target(name).ok_or_else(|| format!("there is no target `{name}`\n{}", usage()))?;
    let (mut seconds, mut seed, mut places) = (None, 0, Vec::new());
    let mut rest = rest.iter();
    while let Some(argument) = rest.next() {
        let mut number = || {
            rest.next()
                .and_then(|text| text.parse().ok())
                .ok_or_else(|| format!("`{argument}` needs a number"))
        };
        match argument.as_str() {
            "--seconds" => seconds = Some(number()?),
            "--seed" => seed = number()?,
            place => places.push(PathBuf::from(place)),
        }
    }
    let is_once = seconds.is_none() && !places.is_empty();
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    if places.is_empty() {
        places.push(home.join("corpus").join(target.name));
    }
    let corpus = read(&places)?;
    if is_once {
        for input in &corpus {
            (target.run)(input);
        }
        return Ok(ExitCode::SUCCESS);
    }
    let limit = rustix::process::Rlimit { current: Some(MEMORY), maximum: Some(MEMORY) };
    rustix::process::setrlimit(rustix::process::Resource::As, limit)
        .map_err(|error| format!("cannot bound memory: {error}"))?;
    hunt(
        target,
        corpus,
        Duration::from_secs(seconds.unwrap_or(60)),
        seed,
        &home.join("findings").join(target.name),
    )
}

fn usage() -> String {
    let targets: String =
        TARGETS.iter().map(|target| format!("\n  {:10} {}", target.name, target.about)).collect();
    format!("usage: trawl-fuzz TARGET [--seconds N] [--seed N] [FILE | FOLDER | -]...\ntargets:{targets}")
}

fn read(places: &[PathBuf]) -> Result<Vec<Vec<u8>>, String> {
    let mut corpus = Vec::new();
    for place in places {
        let said = |error| format!("cannot read `{}`: {error}", place.display());
        if place.as_os_str() == "-" {
            let mut input = Vec::new();
            std::io::stdin().read_to_end(&mut input).map_err(said)?;
            corpus.push(input);
        } else if place.is_dir() {
            for entry in std::fs::read_dir(place).map_err(said)? {
                corpus.push(std::fs::read(entry.map_err(said)?.path()).map_err(said)?);
            }
        } else {
            corpus.push(std::fs::read(place).map_err(said)?);
        }
    }
    Ok(corpus)
}

/// Runs the target on changed inputs until the time is over. What shows an answer of a new shape is changed further; what
/// breaks a promise is made small and kept in `findings`.
fn hunt(
    target: &'static Target,
    mut corpus: Vec<Vec<u8>>,
    time: Duration,
    seed: u64,
    findings: &Path,
) -> Result<ExitCode, String> {
    std::fs::create_dir_all(findings)
        .map_err(|error| format!("cannot create `{}`: {error}", findings.display()))?;
    let said = Arc::new(Mutex::new(String::new()));
    let hook = Arc::clone(&said);
    panic::set_hook(Box::new(move |info| {
        if let Ok(mut said) = hook.lock() {
            *said = info.to_string();
        }
    }));
    let findings = findings.to_owned();
    let current = findings.join("current");
    let watched = Arc::new(AtomicU64::new(0));
    watch(&watched, &current);
    let work = move || {
        let mut chance = Chance::new(seed);
        let (began, mut runs, mut shapes, mut found) =
            (Instant::now(), 0_u64, HashSet::new(), HashSet::new());
        let mut given = std::mem::take(&mut corpus);
        while began.elapsed() < time && found.len() < ENOUGH {
            let input = given.pop().unwrap_or_else(|| mutate::next(&corpus, target.words, &mut chance));
            // What ends the process, as an overflow of the stack does, leaves its input behind.
            let _ = std::fs::write(&current, &input);
            runs += 1;
            watched.fetch_add(1, Ordering::Relaxed);
            match panic::catch_unwind(AssertUnwindSafe(|| (target.run)(&input))) {
                Ok(shape) if shapes.insert(shape) && input.len() <= mutate::MAX_BYTES => corpus.push(input),
                Ok(_) => {}
                Err(_) => {
                    let words = said.lock().map(|said| said.clone()).unwrap_or_default();
                    let place: String = words.lines().next().unwrap_or_default().to_owned();
                    if found.insert(place.clone()) {
                        let at_the_same_place = |input: &[u8]| {
                            panic::catch_unwind(AssertUnwindSafe(|| (target.run)(input))).is_err()
                                && said.lock().is_ok_and(|said| said.lines().next() == Some(place.as_str()))
                        };
                        let small = mutate::smaller(input, at_the_same_place);
                        let path = findings.join(format!("{seed}-{runs}"));
                        let _ = std::fs::write(&path, &small);
                        eprintln!("FOUND {}\n{words}\n", path.display());
                    }
                }
            }
        }
        let _ = std::fs::remove_file(&current);
        eprintln!(
            "{}: {runs} inputs, {} shapes of answers, {} findings",
            target.name,
            shapes.len(),
            found.len()
        );
        found.is_empty()
    };
    let hunter = thread::Builder::new().stack_size(STACK).spawn(work).map_err(|error| error.to_string())?;
    let is_clean = hunter.join().unwrap_or(false);
    Ok(if is_clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Ends the process when one input takes too long.
fn watch(runs: &Arc<AtomicU64>, current: &Path) {
    let (runs, current) = (Arc::clone(runs), current.to_owned());
    thread::spawn(move || {
        let mut before = u64::MAX;
        loop {
            thread::sleep(SLOW);
            let now = runs.load(Ordering::Relaxed);
            if now == before {
                eprintln!("SLOW: {} takes more than {SLOW:?}", current.display());
                std::process::abort();
            }
            before = now;
        }
    });
}
