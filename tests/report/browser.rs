//! The report in a browser: it says nothing on the console, asks for nothing beside itself, and fits on a phone. That each
//! of these would be noticed is held by pages that are broken on purpose.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::contents::harbour;
use crate::support::machine::could_not_run;
use crate::support::{Answer, Site, wait_for};

/// Narrowest phone, in CSS pixels.
const PHONE: u32 = 360;

/// Opens `/it` in a frame as wide as a phone, all details of it open, and writes down what is too wide. Chromium's own
/// window cannot be so narrow.
const PROBE: &str = "<!doctype html><title>probe</title><iframe id=frame src=/it style='width:WIDTHpx;height:800px;border:0'></iframe>
<pre id=found></pre>
<script>
  addEventListener('load', () => {
    const page = frame.contentDocument;
    page.querySelectorAll('details').forEach(one => one.open = true);
    const wide = [];
    for (const one of page.querySelectorAll('*')) {
      const box = one.getBoundingClientRect();
      if (box.right > WIDTH + 0.5 || box.left < -0.5) wide.push(one.tagName + ' ' + one.className);
    }
    found.textContent = JSON.stringify({
      wide, scroll: page.documentElement.scrollWidth, count: page.querySelectorAll('*').length,
      charts: page.querySelectorAll('svg.narrow path').length, title: page.title,
      shown: getComputedStyle(page.querySelector('svg.narrow') || page.body).display,
    });
  });
</script>";

fn chromium() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let names = ["chromium", "chromium-browser", "google-chrome"];
    std::env::split_paths(&path)
        .flat_map(|folder| names.map(|name| folder.join(name)))
        .find(|path| path.is_file())
}

/// What a browser made of a page.
struct Opened {
    /// The document once it was loaded.
    dom: String,
    /// Lines of the console.
    console: Vec<String>,
}

/// Opens a page of a site. None if there is no browser; on the build server that is a failure.
fn open(site: &Site, path: &str) -> Option<Opened> {
    let Some(chromium) = chromium() else {
        assert!(
            std::env::var_os("CI").is_none_or(|ci| ci != "true"),
            "chromium is missing: apt-get install chromium"
        );
        could_not_run("the report in a browser", "chromium is missing; install the package chromium");
        return None;
    };
    let home = tempfile::tempdir().expect("folder");
    let file = |name: &str| home.path().join(name);
    let mut child = Command::new(chromium)
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--hide-scrollbars",
        ])
        .args([
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-dev-shm-usage",
        ])
        .arg(format!("--user-data-dir={}", file("profile").display()))
        .args(["--enable-logging=stderr", "--v=0", "--window-size=800,900", "--dump-dom", &site.url(path)])
        .stdin(Stdio::null())
        .stdout(File::create(file("dom")).expect("file"))
        .stderr(File::create(file("log")).expect("file"))
        .spawn()
        .expect("chromium starts");
    let status = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        wait_for("the browser to end", || child.try_wait().expect("status"))
    }));
    let _ = child.kill();
    let _ = child.wait();
    let read = |name: &str| String::from_utf8_lossy(&fs::read(file(name)).expect("output")).into_owned();
    let log = read("log");
    assert!(status.is_ok_and(|status| status.success()), "the browser failed:\n{log}");
    let console = log.lines().filter(|line| line.contains("CONSOLE")).map(str::to_owned).collect();
    Some(Opened { dom: read("dom"), console })
}

/// What is wrong with a page in a frame as wide as a phone; none if there is no browser.
fn faults(html: Vec<u8>) -> Option<Vec<String>> {
    let site = Site::new();
    site.serve("/it", Answer::bytes("text/html; charset=utf-8", html));
    let probe = PROBE.replace("WIDTH", &PHONE.to_string());
    site.serve("/probe", Answer::bytes("text/html; charset=utf-8", probe));
    let Opened { dom, console } = open(&site, "/probe")?;
    let (_, found) = dom.split_once("<pre id=\"found\">").expect("the probe");
    let found = found.split("</pre>").next().expect("its end").replace("&gt;", ">").replace("&lt;", "<");
    let found: Value =
        serde_json::from_str(&found.replace("&amp;", "&")).unwrap_or_else(|error| panic!("{error}: {dom}"));
    assert!(found["count"].as_u64().expect("a count") > 3, "the page was not there: {found}");
    let mut faults: Vec<String> = console.iter().map(|line| format!("console: {line}")).collect();
    faults.extend(found["wide"].as_array().expect("a list").iter().map(|one| format!("too wide: {one}")));
    if found["scroll"].as_u64().expect("a width") > u64::from(PHONE) {
        faults.push(format!("it scrolls sideways: {}", found["scroll"]));
    }
    let others = site
        .see(crate::support::site::View::counts)
        .into_keys()
        .filter(|path| !["/it", "/probe", "/favicon.ico"].contains(&path.as_str()));
    faults.extend(others.map(|path| format!("asked for {path}")));
    if found["charts"] == 0 || found["shown"] != "block" {
        faults.push(format!("no charts for a phone: {found}"));
    }
    Some(faults)
}

#[test]
fn it_fits_on_a_phone_asks_for_nothing_and_says_nothing() {
    let (_site, crawl) = harbour();
    crawl.run().expect(0);
    let html = fs::read(crawl.path("out/latest/report.html")).expect("a report");
    let Some(found) = faults(html) else { return };
    assert_eq!(found, [""; 0]);
}

#[test]
fn a_broken_page_is_noticed() {
    let page = |more: &str| {
        format!("<!doctype html><title>x</title><svg class=narrow style='display:block' width=10 height=10><path d='M0 0h1'/></svg><p>x</p>{more}").into_bytes()
    };
    let Some(found) = faults(page("")) else { return };
    assert_eq!(found, [""; 0]);
    for (more, word) in [
        ("<script>nothing.at.all()</script>", "nothing is not defined"),
        ("<div style='width:361px'>wide</div>", "too wide"),
        ("<img src=/picture>", "asked for /picture"),
        (
            "<meta http-equiv=Content-Security-Policy content=\"default-src 'none'\"><script>1</script>",
            "Content Security Policy",
        ),
    ] {
        let found = faults(page(more)).expect("a browser");
        assert!(found.iter().any(|fault| fault.contains(word)), "{more}: {found:?}");
    }
}
