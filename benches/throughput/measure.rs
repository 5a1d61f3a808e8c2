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
///
/// A process takes the largest resident set of the one that started it for its own, so it is started by a
/// small one that does nothing else: this program as [`launch`].
pub fn measure(command: &Command) -> Used {
    let mut launcher = Command::new(std::env::current_exe().expect("this program"));
    launcher.arg(command.get_program()).args(command.get_args());
    launcher.current_dir(command.get_current_dir().expect("a directory of its own"));
    launcher.env("TRAWL_BENCH_ROLE", "launch").env_remove("TRAWL_BENCH_LAUNCHED");
    for (name, value) in command.get_envs() {
        let name = if name == "TRAWL_BENCH_ROLE" { "TRAWL_BENCH_LAUNCHED".as_ref() } else { name };
        launcher.env(name, value.expect("variables are only set here"));
    }
    let output =
        launcher.stdin(Stdio::null()).stderr(Stdio::inherit()).output().expect("the launcher starts");
    assert!(output.status.success(), "{command:?} failed");
    let text = String::from_utf8(output.stdout).expect("numbers");
    let numbers: Vec<u64> = text.split_whitespace().map(|word| word.parse().expect("a number")).collect();
    let [cpu, peak_bytes, wall] = numbers[..] else { panic!("the launcher said {text:?}") };
    Used { cpu: Duration::from_micros(cpu), peak_bytes, wall: Duration::from_micros(wall) }
}

/// Starts what its arguments say, waits for it, and prints CPU time in microseconds, peak bytes and wall time
/// in microseconds.
#[allow(unsafe_code, reason = "no safe crate here waits for a child together with what it used")]
#[allow(clippy::zombie_processes, reason = "`wait4` below is the wait")]
pub fn launch() {
    let mut args = std::env::args_os().skip(1);
    let mut command = Command::new(args.next().expect("what to start"));
    command.args(args).env_remove("TRAWL_BENCH_ROLE");
    if let Some(role) = std::env::var_os("TRAWL_BENCH_LAUNCHED") {
        command.env("TRAWL_BENCH_ROLE", role);
    }
    if let Ok(cores) = std::env::var("TRAWL_BENCH_CORES") {
        let (first, end) = cores.split_once(' ').expect("the first core and the end");
        keep_to(first.parse().expect("a number")..end.parse().expect("a number"));
    }
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
    let micros = |t: libc::timeval| t.tv_sec * 1_000_000 + t.tv_usec;
    // The kernel counts the resident set in KiB.
    println!(
        "{} {} {}",
        micros(usage.ru_utime) + micros(usage.ru_stime),
        usage.ru_maxrss * 1024,
        wall.as_micros()
    );
}

/// What a running process has used so far: CPU time to a hundredth of a second, and its resident set in bytes.
pub fn so_far(pid: u32) -> (Duration, u64) {
    let read =
        |file: &str| std::fs::read_to_string(format!("/proc/{pid}/{file}")).expect("a running process");
    let (stat, memory) = (read("stat"), read("statm"));
    // Its name stands in parentheses and may hold anything.
    let fields = stat.rsplit(')').next().expect("fields behind the name").split_whitespace();
    let ticks: u64 = fields.skip(11).take(2).map(|ticks| ticks.parse::<u64>().expect("a number")).sum();
    let pages: u64 = memory.split(' ').nth(1).expect("a resident set").parse().expect("a number");
    (Duration::from_millis(ticks * 10), pages * 4096)
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Cores of the machine, whichever of them this process may use.
pub fn cores_in_all() -> usize {
    let list = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    list.lines().filter(|line| line.starts_with("processor")).count().max(1)
}

/// A run of a command on these cores, also on that of the server.
pub fn on_cores(command: &mut Command, cores: std::ops::Range<usize>) -> Used {
    measure(command.env("TRAWL_BENCH_CORES", format!("{} {}", cores.start, cores.end)))
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
