//! What only root may ask of the machine: a mount namespace, file systems in it, a power cut. Says plainly
//! what it cannot have. Everything here ends with the thread or the guard that asked for it.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Runs `work` in a mount namespace of its own: what it mounts nobody else sees, and all of it is gone
/// when it returns. `Err` says why the machine does not allow that.
pub fn in_own_mounts<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, String> {
    // A namespace belongs to a thread, and this one ends with the work.
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            enter_own_mounts()?;
            Ok(work())
        });
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

#[allow(unsafe_code, reason = "no safe crate here enters a namespace; the call touches no memory")]
fn enter_own_mounts() -> Result<(), String> {
    // SAFETY: unshare takes flags only. CLONE_NEWNS affects the calling thread alone.
    if unsafe { libc::unshare(libc::CLONE_NEWNS) } != 0 {
        return Err(format!("no mount namespace: {} (root is needed)", std::io::Error::last_os_error()));
    }
    tool("mount", &["--make-rprivate", "/"]).map(drop)
}

/// Runs a system tool; its complaint is the error.
pub fn tool(name: &str, args: &[&str]) -> Result<String, String> {
    let output = Command::new(name)
        .args(args)
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("`{name}` cannot be started: {error}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("`{name} {}`: {}", args.join(" "), said.trim()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path of the tests is UTF-8")
}

/// Mounts a tmpfs of so many KiB.
pub fn mount_tmpfs(at: &Path, kib: u64) -> Result<(), String> {
    fs::create_dir_all(at).map_err(|error| error.to_string())?;
    tool("mount", &["-t", "tmpfs", "-o", &format!("size={kib}k"), "tmpfs", text(at)]).map(drop)
}

/// Changes the size of a mounted tmpfs.
pub fn resize_tmpfs(at: &Path, kib: u64) -> Result<(), String> {
    tool("mount", &["-o", &format!("remount,size={kib}k"), text(at)]).map(drop)
}

/// Unmounts.
pub fn unmount(at: &Path) -> Result<(), String> {
    tool("umount", &[text(at)]).map(drop)
}

/// An ext4 file system in a file, behind a loop device that is given back when this is dropped.
pub struct Disk {
    device: String,
    mounted: Option<PathBuf>,
}

impl Disk {
    /// Makes the file, the loop device and the file system.
    pub fn create(image: &Path, mib: u64) -> Result<Self, String> {
        let file = File::create(image).map_err(|error| error.to_string())?;
        file.set_len(mib << 20).map_err(|error| error.to_string())?;
        let device = tool("losetup", &["--find", "--show", text(image)])?;
        let disk = Self { device, mounted: None };
        tool("mkfs.ext4", &["-q", "-F", &disk.device])?;
        Ok(disk)
    }

    /// Mounts it in the calling thread's namespace.
    pub fn mount(&mut self, at: &Path) -> Result<(), String> {
        fs::create_dir_all(at).map_err(|error| error.to_string())?;
        tool("mount", &[&self.device, text(at)])?;
        self.mounted = Some(at.to_owned());
        Ok(())
    }

    /// Unmounts it.
    pub fn unmount(&mut self) -> Result<(), String> {
        self.mounted.take().map_or(Ok(()), |at| unmount(&at))
    }

    /// Cuts the power: from here on nothing reaches the disk, not even what the log of the file system
    /// holds. What was synced before stays.
    #[allow(unsafe_code, reason = "the ioctl has no safe wrapper; it reads one u32")]
    pub fn cut_power(&self) -> Result<(), String> {
        /// `_IOR('X', 125, __u32)`: the kernel's `EXT4_IOC_SHUTDOWN`.
        const SHUTDOWN: libc::Ioctl = 0x8004_587d;
        /// `EXT4_GOING_FLAGS_NOLOGFLUSH`.
        const NO_LOG_FLUSH: u32 = 2;
        let at = self.mounted.as_ref().ok_or("not mounted")?;
        let root = File::open(at).map_err(|error| error.to_string())?;
        let flags = NO_LOG_FLUSH;
        // SAFETY: the descriptor is open and the pointer is to a live u32, which is what this ioctl reads.
        let answer = unsafe { libc::ioctl(root.as_raw_fd(), SHUTDOWN, &raw const flags) };
        if answer != 0 {
            return Err(format!("EXT4_IOC_SHUTDOWN: {}", std::io::Error::last_os_error()));
        }
        Ok(())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let unmounted = self.unmount();
        let detached = tool("losetup", &["--detach", &self.device]);
        for trouble in [unmounted.err(), detached.err()].into_iter().flatten() {
            eprintln!("cleaning up {}: {trouble}", self.device);
        }
    }
}

/// Says why this machine cannot cut the power of a disk, if it cannot.
pub fn no_power_cut() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("root is needed for loop devices and mounts".into());
    }
    for name in ["losetup", "mkfs.ext4", "mount", "umount"] {
        if let Err(why) = tool(name, &["-V"])
            && why.contains("cannot be started")
        {
            return Some(format!("{why}; `./check` installs e2fsprogs and mount"));
        }
    }
    None
}

/// Makes the calling thread's namespace look as if the machine had been started anew.
pub fn pretend_reboot(scratch: &Path) -> Result<(), String> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let nanos = now.map_or(0, |now| now.as_nanos());
    let boot_id = scratch.join(format!("boot-{nanos}"));
    fs::write(&boot_id, format!("00000000-0000-4000-8000-{:012x}\n", nanos % (1 << 48)))
        .map_err(|error| error.to_string())?;
    tool("mount", &["--bind", text(&boot_id), "/proc/sys/kernel/random/boot_id"]).map(drop)
}

/// The most memory that a running process had so far, in bytes. What the system says once it has ended counts the memory of
/// who started it, too.
pub fn peak(process: rustix::process::Pid) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{}/status", process.as_raw_nonzero())).ok()?;
    let kib = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?.trim().strip_suffix(" kB")?;
    kib.parse::<u64>().ok().map(|kib| kib << 10)
}

/// Says that a test could not run here, and why, so that nobody takes it for passed.
pub fn could_not_run(what: &str, why: &str) {
    // Not by `eprintln!`, which the harness hides for a test that passes.
    let _ = writeln!(std::io::stderr(), "\nCOULD NOT RUN {what}: {why}");
}
