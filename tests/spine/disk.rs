//! A disk that is full or cannot be written: named clearly, nothing lost, goes on when there is room.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use crate::support::machine::{could_not_run, in_own_mounts, mount_tmpfs, resize_tmpfs, unmount};
use crate::support::{Answer, Crawl, Site};

/// Pages of a size that fills a small disk.
fn heavy_pages(count: usize, bytes: usize) -> (Site, Vec<String>) {
    let site = Site::new();
    for n in 0..count {
        // Text that does not compress away, in case something between here and the disk packs it.
        let dice = crate::support::Dice::of(n as u64);
        let text: String = (0..bytes / 16).map(|_| format!("{:016x}", dice.next())).collect();
        let body = format!("<title>Heavy {n}</title><p>{text}</p>");
        site.serve(&format!("/{n}"), Answer::bytes("text/html", body).after(Duration::from_millis(2)));
    }
    let urls = site.urls((0..count).map(|n| format!("/{n}")));
    (site, urls)
}

#[test]
fn a_full_disk_stops_the_run_and_room_lets_it_go_on() {
    let (site, urls) = heavy_pages(200, 64 << 10);
    let tried = in_own_mounts(|| {
        let scratch = tempfile::tempdir().map_err(|error| error.to_string())?;
        let root = scratch.path().join("small");
        mount_tmpfs(&root, 6 << 10)?;
        let crawl = Crawl::at(&root)
            .list(&urls)
            .sink("id = 'pages'\ntype = 'pages'")
            .set("politeness.max_concurrency", 4)
            .set("checkpoint.records", 16)
            .set("limits.min_free_disk", "0B");
        let full = crawl.run().expect(13);
        assert!(full.stderr.contains("No space left") || full.stderr.contains("disk"), "{full}");
        assert!(!crawl.path("out/latest").exists(), "half a result is not published");
        let first = site.hits();
        assert!(first < urls.len(), "the disk was not small enough: {first} requests");

        // Still full: the same again, still nothing lost.
        crawl.run().expect(13);

        resize_tmpfs(&root, 256 << 10)?;
        crawl.run().expect(0);
        crawl.verify_exact(&urls);
        unmount(&root)
    });
    if let Err(why) = tried.and_then(|inner| inner) {
        could_not_run("the full disk", &why);
    }
}

#[test]
fn less_room_than_wanted_stops_it_before_anything_breaks() {
    let (site, urls) = heavy_pages(60, 64 << 10);
    let tried = in_own_mounts(|| {
        let scratch = tempfile::tempdir().map_err(|error| error.to_string())?;
        let root = scratch.path().join("small");
        mount_tmpfs(&root, 32 << 10)?;
        let crawl = Crawl::at(&root).list(&urls).set("limits.min_free_disk", "1GiB");
        crawl.run().expect(13).says("min_free_disk");
        assert_eq!(site.hits(), 0, "nothing is asked for that could not be kept");
        let crawl = crawl.set("limits.min_free_disk", "1MiB");
        crawl.run().expect(0);
        crawl.verify_exact(&urls);
        unmount(&root)
    });
    if let Err(why) = tried.and_then(|inner| inner) {
        could_not_run("the low disk", &why);
    }
}

#[test]
fn an_output_that_cannot_be_created_is_named() {
    let (site, urls) = Site::with_pages(1, Duration::ZERO);
    // A file stands where a directory should be: not even root gets past that.
    let crawl = Crawl::over(&urls).write("blocked", "a file").set("job.output_dir", "blocked/out");
    crawl.run().expect(73).says("blocked");
    let crawl = Crawl::over(&urls).write("blocked", "a file").set("job.state_dir", "blocked/store");
    crawl.run().expect(73).says("blocked");
    assert_eq!(site.hits(), 0, "found before any request");
}

#[test]
fn a_read_only_output_is_named() {
    let (site, urls) = Site::with_pages(1, Duration::ZERO);
    if rustix::process::geteuid().is_root() {
        // Root writes where permissions forbid it, but not on a read-only file system.
        let tried = in_own_mounts(|| {
            let scratch = tempfile::tempdir().map_err(|error| error.to_string())?;
            let read_only = scratch.path().join("ro");
            mount_tmpfs(&read_only, 64)?;
            crate::support::machine::tool("mount", &["-o", "remount,ro", read_only.to_str().unwrap()])?;
            let crawl = Crawl::over(&urls).set("job.output_dir", read_only.join("out").to_str().unwrap());
            crawl.run().expect(73).says("ro/out");
            unmount(&read_only)
        });
        if let Err(why) = tried.and_then(|inner| inner) {
            could_not_run("the read-only file system", &why);
        }
    } else {
        let crawl = Crawl::over(&urls).set("job.output_dir", "closed/out").write("closed/x", "");
        fs::set_permissions(crawl.path("closed"), fs::Permissions::from_mode(0o555)).unwrap();
        crawl.run().expect(73).says("closed/out");
        fs::set_permissions(crawl.path("closed"), fs::Permissions::from_mode(0o755)).unwrap();
    }
    assert_eq!(site.hits(), 0, "found before any request");
}
