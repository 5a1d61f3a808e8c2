#!/usr/bin/env python3
"""Runs trawl over a tree of HTML files, as files, as a list over HTTP, and by links from its index, and compares what
it says with html5lib, which knows nothing of trawl. Prints figures; ends with 1 if anything differs.

Compared: one record for each file, its title (white space collapsed), its charset by WHATWG name; and which pages the
links lead to.
"""

import argparse
import functools
import http.server
import json
import pathlib
import resource
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

import html5lib
import webencodings

HTML = "{http://www.w3.org/1999/xhtml}"


def truth(path):
    """Title, charset and addresses of links of a file as html5lib finds them; the charset only where the page names
    one."""
    body = path.read_bytes()
    parser = html5lib.HTMLParser(html5lib.treebuilders.getTreeBuilder("etree"))
    document = parser.parse(body)
    found = document.find(f".//{HTML}title")
    title = None
    if found is not None:
        # HTML white space only: a no-break space is part of a title.
        text = "".join(found.itertext())
        for space in "\t\n\x0c\r":
            text = text.replace(space, " ")
        title = " ".join(word for word in text.split(" ") if word) or None
    encoding, certainty = parser.tokenizer.stream.charEncoding
    named = encoding.name if certainty == "certain" or names_charset(body) else None
    links = [link.get("href") for name in ("a", "area") for link in document.iter(HTML + name)]
    return title, named, [link.strip() for link in links if link is not None]


def names_charset(body):
    head = body[:1024].lower()
    return b"charset=" in head or body[:3] == b"\xef\xbb\xbf" or body[:2] in (b"\xff\xfe", b"\xfe\xff")


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves the tree as a plain web server would: no charset in the header."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass


def serve(tree):
    handler = functools.partial(Quiet, directory=str(tree))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def crawl(trawl, work, source):
    work.mkdir(parents=True)
    (work / "config.toml").write_text(
        "config_version = 1\n"
        "[job]\nname = 'real-docs'\nstate_dir = 'store'\noutput_dir = 'out'\n"
        "[http]\nallow_private_networks = true\n"
        "[politeness]\nmax_concurrency = 32\nhost_concurrency = 32\nhost_delay = '0s'\n"
        f"[[sources]]\n{source}\n"
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.monotonic()
    ended = subprocess.run([trawl, "run", "config.toml"], cwd=work, capture_output=True, text=True)
    wall = time.monotonic() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if ended.returncode != 0:
        sys.exit(f"trawl ended with {ended.returncode}\n{ended.stderr}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    records = []
    for part in sorted((work / "out/latest/records").iterdir()):
        records += [json.loads(line) for line in part.read_text("utf-8").splitlines()]
    subprocess.run([trawl, "verify"], cwd=work, check=True, stdout=subprocess.DEVNULL)
    return records, wall, cpu


def reachable(root, tree, known):
    """Every file of the tree to which links lead from its index."""
    found, missing, todo = set(), set(), [root + "index.html"]
    while todo:
        url = todo.pop()
        if url in found or url in missing or not url.startswith(root):
            continue
        path = tree / urllib.parse.unquote(urllib.parse.urlsplit(url).path).lstrip("/")
        path = path / "index.html" if path.is_dir() else path
        if not path.is_file():
            missing.add(url)
            continue
        found.add(url)
        _, _, links = known.get(path, (None, None, []))
        todo += [urllib.parse.urldefrag(urllib.parse.urljoin(url, link))[0] for link in links]
    return found


def compare(way, records, expected, figures):
    """Prints what differs between records and html5lib, by URL. Gives the number of differences."""
    wall, cpu = figures
    wrong = []
    seen = {}
    for record in records:
        seen[record["url"]] = seen.get(record["url"], 0) + 1
    for url in expected:
        if seen.get(url, 0) != 1:
            wrong.append(f"{url}: {seen.get(url, 0)} records")
    titles = charsets = unnamed = 0
    for record in records:
        if record["url"] not in expected:
            wrong.append(f"{record['url']}: nobody asked for that")
            continue
        title, charset, _ = expected[record["url"]]
        if record["title"] == title:
            titles += 1
        else:
            wrong.append(f"{record['url']}: title {record['title']!r}, html5lib {title!r}")
        ours = record["content_charset"] and webencodings.lookup(record["content_charset"]).name
        if charset is None:
            unnamed += 1
        elif ours == charset:
            charsets += 1
        else:
            wrong.append(f"{record['url']}: charset {ours}, html5lib {charset}")
    print(
        f"{way}: {len(expected)} files, {len(records)} records, {titles} titles equal, {charsets} charsets equal"
        f" ({unnamed} pages name none), {wall:.2f} s, {cpu:.2f} CPU s, {len(wrong)} differences"
    )
    for line in wrong[:20]:
        print(f"  {line}")
    return len(wrong)


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--trawl", required=True, type=pathlib.Path)
    arguments.add_argument("tree", type=pathlib.Path)
    options = arguments.parse_args()
    trawl, tree = options.trawl.resolve(), options.tree.resolve()

    files = sorted(path for path in tree.rglob("*.html") if path.is_file())
    if not files:
        sys.exit(f"no HTML files below {tree}")
    started = time.monotonic()
    known = {path: truth(path) for path in files}
    print(f"{tree}: {len(files)} files; html5lib took {time.monotonic() - started:.1f} s")

    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        source = f"id = 'docs'\ntype = 'files'\npaths = ['{tree}/**/*.html']"
        records, *figures = crawl(trawl, work / "files", source)
        wrong = compare("as local files", records, {path.as_uri(): known[path] for path in files}, figures)

        server = serve(tree)
        root = f"http://127.0.0.1:{server.server_port}/"
        urls = {root + urllib.parse.quote(str(path.relative_to(tree))): known[path] for path in files}
        listed = work / "urls.txt"
        listed.write_text("\n".join(urls))
        source = f"id = 'list'\ntype = 'list'\npath = '{listed}'"
        records, *figures = crawl(trawl, work / "web", source)
        wrong += compare("over HTTP", records, urls, figures)

        expected = reachable(root, tree, known)
        source = f"id = 'site'\ntype = 'urls'\nurls = ['{root}index.html']\nscope = {{ type = 'host' }}"
        records, wall, cpu = crawl(trawl, work / "links", source)
        got = {record["url"] for record in records}
        print(f"by links: {len(expected)} reachable, {len(got)} records, {wall:.2f} s, {cpu:.2f} CPU s")
        for url in sorted(got ^ expected)[:20]:
            print(f"  {url}: only {'trawl' if url in got else 'html5lib'} came there")
        wrong += len(got ^ expected)
        server.shutdown()
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
