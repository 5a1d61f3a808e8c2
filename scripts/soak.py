#!/usr/bin/env python3
"""A long run with 100 requests in flight, one in twenty of them for a page that goes wrong: is memory flat, is no thread
and no file left open?

    cargo build --release --bin trawl --example site
    scripts/soak.py [MINUTES, 30 by default]

Starts the example site and the crawl, both on loopback, and ends them. Prints a line a minute, and at the end medians of
the second and of the last quarter. Exits with 1 if the run did not end as it should, if memory grew by more than a tenth
and 16 MB (32 bytes of it a known URL are allowed), or if threads or open files did. Needs about 2 GB of disk in TMPDIR
for half an hour.
"""

import collections
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
RELEASE = ROOT / "target" / "release"
IN_FLIGHT = 100
# What a page takes, so that the machine is busy but not full: with 100 in flight about 330 pages a second at most.
MILLISECONDS = 300
FAULTS = [
    "slow-head", "drip", "stall", "endless", "huge", "headers", "cookies", "short", "reset", "reset-at-once",
    "close-at-once", "cut-chunk", "no-last-chunk", "bad-chunk", "garbage", "packed/cut", "bomb/gzip", "bomb/br", "bomb/zstd",
    "html/nested", "html/attributes", "html/attribute", "html/nul", "html/invalid-utf8", "status/204", "status/304",
]


def job(dir, site, seconds):
    count = seconds * IN_FLIGHT * 1000 // MILLISECONDS + 10_000
    with open(dir / "urls.txt", "w") as urls:
        for n in range(count):
            if n % 20 == 7:
                print(f"{site}/fault/{FAULTS[n // 20 % len(FAULTS)]}?n={n}", file=urls)
            else:
                print(f"{site}/slow/{MILLISECONDS}?n={n}", file=urls)
    (dir / "config.toml").write_text(
        f"""config_version = 1
job.name = "soak"
http.allow_private_networks = true
http.timeout = {{ read = "2s", total = "4s" }}
retry.max_retries = 1
retry.host_failures = 1000000
limits.max_duration = "{seconds}s"
[politeness]
max_concurrency = {IN_FLIGHT}
host_concurrency = {IN_FLIGHT}
host_delay = "0s"
obey_robots = false
[[sources]]
id = "all"
type = "list"
path = "urls.txt"
"""
    )


def sample(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    word = {line.split(":")[0]: line.split()[1] for line in status.splitlines() if len(line.split()) > 1}
    return int(word["VmRSS"]) / 1024, int(word["Threads"]), len(os.listdir(f"/proc/{pid}/fd"))


def main():
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else 30
    dir = pathlib.Path(tempfile.mkdtemp(prefix="soak-"))
    site = subprocess.Popen([RELEASE / "examples" / "site", "--port", "0"], stdout=subprocess.PIPE, text=True)
    samples = []
    try:
        job(dir, site.stdout.readline().strip(), int(minutes * 60))
        run = subprocess.Popen([RELEASE / "trawl", "run", "config.toml", "--quiet"], cwd=dir, stderr=subprocess.DEVNULL)
        began = said = time.monotonic()
        try:
            while run.poll() is None:
                try:
                    samples.append(sample(run.pid))
                except (FileNotFoundError, KeyError):
                    break
                if time.monotonic() - said >= 60 or len(samples) == 10:
                    said = time.monotonic()
                    rss, threads, files = samples[-1]
                    print(f"{(said - began) / 60:5.1f} min  {rss:6.1f} MB  {threads} threads  {files} files", flush=True)
                time.sleep(1)
            code = run.wait()
        finally:
            run.kill()
        latest = dir / "data" / "out" / "soak" / "latest"
        out = latest if latest.exists() else next(dir.rglob("latest"))
        outcomes = collections.Counter(
            json.loads(line)["outcome"] for part in sorted(out.glob("outcomes/*.jsonl")) for line in open(part)
        )
        verified = subprocess.run([RELEASE / "trawl", "verify", "--config", "config.toml"], cwd=dir, capture_output=True)
    finally:
        site.kill()
        site.wait()
    quarter = len(samples) // 4
    second, last = samples[quarter : 2 * quarter], samples[-quarter:]
    medians = [[statistics.median(column) for column in zip(*part)] for part in (second, last)]
    urls = sum(outcomes.values())
    print(f"{urls} URLs: " + ", ".join(f"{count} {name}" for name, count in outcomes.most_common()))
    for name, (rss, threads, files) in zip(("second quarter", "last quarter"), medians):
        print(f"{name}: {rss:.1f} MB, {threads:.0f} threads, {files:.0f} open files")
    print(f"exit code {code}, verify {verified.returncode}, peak {max(rss for rss, _, _ in samples):.1f} MB")
    (rss, threads, files), (rss_last, threads_last, files_last) = medians
    grown = rss_last - rss > max(16, rss / 10) + 32 * urls / 2**20
    flat = not grown and threads_last <= threads and files_last <= files + 4
    # A limit ends the run: exit code 3.
    sys.exit(0 if flat and code in (0, 3) and verified.returncode == 0 else 1)


main()
