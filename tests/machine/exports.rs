//! The disk fills up while an export is made, on a small disk that is really full: nothing is published without the
//! export, nothing is fetched again, and the same command ends well once there is room.

use std::path::Path;
use std::time::Duration;

use crate::support::dataset::below;
use crate::support::machine::{could_not_run, in_own_mounts, mount_tmpfs, resize_tmpfs, unmount};
use crate::support::{Answer, Crawl, Dice, Site};

const PAGES: usize = 30;
/// Addresses on a page: they stand in its record, and no packing makes them small.
const LINKS: usize = 1500;

/// KiB that a file system has in use.
fn used(at: &Path) -> u64 {
    let disk = rustix::fs::statvfs(at).expect("the small disk");
    (disk.f_blocks - disk.f_bfree) * disk.f_frsize / 1024
}

fn full_while_exporting(format: &str) {
    if !cfg!(debug_assertions) {
        return could_not_run(
            "the full disk under an export",
            "a release build does not die at named places",
        );
    }
    let (site, dice) = (Site::new(), Dice::of(7));
    for n in 0..PAGES {
        let links: Vec<String> =
            (0..LINKS).map(|_| format!("/{:016x}{:016x}", dice.next(), dice.next())).collect();
        site.serve(
            &format!("/page/{n}"),
            Answer::links(&format!("P{n}"), links).after(Duration::from_millis(2)),
        );
    }
    let urls = site.urls((0..PAGES).map(|n| format!("/page/{n}")));
    let tried = in_own_mounts(|| {
        let scratch = tempfile::tempdir().map_err(|error| error.to_string())?;
        let root = scratch.path().join("small");
        mount_tmpfs(&root, 128 << 10)?;
        let crawl = Crawl::at(&root)
            .list(&urls)
            .export(&format!("id = 'export'\ntype = '{format}'"))
            .set("records.links", true)
            .set("limits.min_free_disk", "0B")
            .env("TRAWL_CRASH_AT", "publish.finished");
        // All is crawled, and nothing exported yet.
        assert!(crawl.run().was_killed());
        let crawl = crawl.without_env();
        assert_eq!(site.hits(), PAGES);
        resize_tmpfs(&root, used(&root) + 512)?;
        for _ in 0..2 {
            let full = crawl.run().expect(13);
            let full = full.says(&format!("export.{format}")).says("the same command");
            assert!(!crawl.path("out/latest").exists(), "published without its export {full}");
            let half: Vec<_> = below(&crawl.path("out"));
            let is_half = |path: &&std::path::PathBuf| path.to_string_lossy().contains(".writing-export");
            assert_eq!(half.iter().find(is_half), None, "half an export holds the room that is wanted");
        }
        resize_tmpfs(&root, 128 << 10)?;
        crawl.run().expect(0);
        let run = crawl.verify_exact(&urls);
        assert_eq!(run.listed(&run.dir.join(format!("export.{format}"))), PAGES);
        crawl.trawl(&["verify"]).expect(0);
        assert_eq!(site.hits(), PAGES, "nothing is fetched again");
        unmount(&root)
    });
    if let Err(why) = tried.and_then(|inner| inner) {
        could_not_run("the full disk under an export", &why);
    }
}

#[test]
fn full_under_a_database() {
    full_while_exporting("sqlite");
}

#[test]
fn full_under_a_table() {
    full_while_exporting("parquet");
}
