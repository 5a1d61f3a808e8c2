//! What a child process used: CPU time, memory at its peak, wall time, as the kernel counted it.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What a process used from start to end.
pub struct Used {
    /// User and system time of all its threads.
    pub cpu: Duration,
    /// Largest resident set.
    pub peak_bytes: u64,
    /// From start to end.
    pub wall: Duration,
}

impl Used {
    /// The run with the middle CPU time.
    pub fn median(mut runs: Vec<Self>) -> Self {
        runs.sort_by_key(|used| used.cpu);
        let middle = runs.len() / 2;
        runs.swap_remove(middle)
    }
}

/// Runs a command to its end. Panics, with what it said, unless it succeeds.
#[allow(unsafe_code, reason = "no safe crate here waits for a child together with what it used")]
#[allow(clippy::zombie_processes, reason = "`wait4` below is the wait")]
pub fn measure(mut command: Command) -> Used {
    let log = tempfile::NamedTempFile::new().expect("temporary file");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log.reopen().expect("temporary file"));
    let started = Instant::now();
    let child = command.spawn().expect("the program starts");
    let pid = libc::pid_t::try_from(child.id()).expect("a process id");
    let mut status = 0;
    // SAFETY: an rusage is plain numbers, for which all zeros is a value.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: both pointers are to live values; `child` is not waited for anywhere else.
    let waited = unsafe { libc::wait4(pid, &raw mut status, 0, &raw mut usage) };
    let wall = started.elapsed();
    assert_eq!(waited, pid, "{}", std::io::Error::last_os_error());
    let said = std::fs::read_to_string(log.path()).unwrap_or_default();
    assert_eq!(status, 0, "{command:?} ended with wait status {status}\n{said}");
    let time = |t: libc::timeval| {
        let (seconds, micros) = (u64::try_from(t.tv_sec), u64::try_from(t.tv_usec));
        Duration::from_secs(seconds.unwrap_or(0)) + Duration::from_micros(micros.unwrap_or(0))
    };
    Used {
        cpu: time(usage.ru_utime) + time(usage.ru_stime),
        peak_bytes: u64::try_from(usage.ru_maxrss).unwrap_or(0) * 1024,
        wall,
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Leaves the last core to the server. Children inherit it. Does nothing where there is one core only.
pub fn keep_to_clients_cores() {
    let cores = cores();
    if cores > 1 {
        keep_to(0..cores - 1);
    }
}

/// The last core.
pub fn keep_to_servers_core() {
    // The bench has been narrowed to the others already, so the last one is the next.
    keep_to(cores()..cores() + 1);
}

#[allow(unsafe_code, reason = "no safe crate here sets the affinity of a process")]
fn keep_to(wanted: std::ops::Range<usize>) {
    // SAFETY: a cpu_set_t is plain bits, for which all zeros is a value.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    for core in wanted {
        // SAFETY: the macro's function checks the index against the set's size.
        unsafe { libc::CPU_SET(core, &mut set) };
    }
    // SAFETY: the pointer is to a live set of the given size. On failure the process stays where it may run.
    unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set) };
}
