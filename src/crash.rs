//! Named places at which a debug build can be told to die, so that tests prove what a crash there leaves.
//!
//! `TRAWL_CRASH_AT=publish.renamed` makes a debug build kill itself with SIGKILL when it first comes by;
//! `TRAWL_CRASH_AT=journal.frame:3` the third time; `TRAWL_CRASH_AT=parse.page=/7` whenever it comes by with a
//! subject that ends like this, here the page `/7`. A release build does not look.

/// Says that `place` was reached. Dies there if the environment asks a debug build to.
#[cfg(not(debug_assertions))]
#[inline]
pub fn reached(_place: &str) {}

/// Says that `place` was reached with `subject`. Dies there if the environment asks a debug build to.
#[cfg(not(debug_assertions))]
#[inline]
pub fn reached_with(_place: &str, _subject: &str) {}

/// Says that `place` was reached. Dies there if the environment asks a debug build to.
#[cfg(debug_assertions)]
pub fn reached(place: &str) {
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    static WANTED: LazyLock<Option<(String, u64)>> = LazyLock::new(|| {
        let wanted = std::env::var("TRAWL_CRASH_AT").ok()?;
        Some(match wanted.split_once(':') {
            Some((place, times)) => (place.to_owned(), times.parse().ok()?),
            None => (wanted, 1),
        })
    });
    static PASSED: AtomicU64 = AtomicU64::new(0);

    if let Some((wanted, times)) = &*WANTED
        && wanted == place
        && PASSED.fetch_add(1, Ordering::SeqCst) + 1 == *times
    {
        die();
    }
}

/// Says that `place` was reached with `subject`. Dies there if the environment asks a debug build to.
#[cfg(debug_assertions)]
pub fn reached_with(place: &str, subject: &str) {
    use std::sync::LazyLock;

    static WANTED: LazyLock<Option<(String, String)>> = LazyLock::new(|| {
        let wanted = std::env::var("TRAWL_CRASH_AT").ok()?;
        wanted.split_once('=').map(|(place, ending)| (place.to_owned(), ending.to_owned()))
    });

    if let Some((wanted, ending)) = &*WANTED
        && wanted == place
        && subject.ends_with(ending.as_str())
    {
        die();
    }
}

#[cfg(debug_assertions)]
fn die() {
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
}
