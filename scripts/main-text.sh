#!/usr/bin/env bash
# Holds the main text of pages against what somebody says that it is: words found and words found rightly.
#
#   scripts/main-text.sh DIR      DIR/<page>/source.html and DIR/<page>/expected.html, as the test pages of Mozilla's
#                                 readability library stand in test/test-pages
#
# Needs a release build and Python 3. Prints means over all pages, and the pages that came out worst.
set -euo pipefail
pages=$(cd "${1:?the folder of pages}" && pwd)
trawl=$(cd "$(dirname "$0")/.." && pwd)/target/release/trawl
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat > "$work/job.toml" <<TOML
config_version = 1
job.name = "main-text"
sources = [{ id = "pages", type = "files", paths = ["$pages/*/source.html"] }]
[records]
links = false
[[extract]]
id = "text"
main_text = true
TOML
"$trawl" run "$work/job.toml" --quiet >/dev/null
python3 - "$work"/data/out/main-text/latest/records/part-*.jsonl <<'PYTHON'
import html, json, os, re, sys
from collections import Counter
from statistics import mean, median
from urllib.parse import unquote, urlsplit

def words(text):
    return Counter(re.findall(r"\w+", text.lower()))

rows = []
for part in sys.argv[1:]:
    for line in open(part, encoding="utf-8"):
        record = json.loads(line)
        folder = os.path.dirname(unquote(urlsplit(record["url"]).path))
        wanted = open(os.path.join(folder, "expected.html"), encoding="utf-8").read()
        wanted = words(html.unescape(re.sub(r"<[^>]+>", " ", wanted)))
        found = words(record["text"] or "")
        both = (wanted & found).total()
        precision, recall = both / max(1, found.total()), both / max(1, wanted.total())
        f1 = 2 * precision * recall / max(1e-9, precision + recall)
        rows.append((f1, precision, recall, os.path.basename(folder)))
rows.sort()
print(f"{len(rows)} pages: precision {mean(r[1] for r in rows):.3f}, recall {mean(r[2] for r in rows):.3f}, "
      f"F1 {mean(r[0] for r in rows):.3f}, median F1 {median(r[0] for r in rows):.3f}")
for f1, precision, recall, page in rows[:10]:
    print(f"  {page}: precision {precision:.2f}, recall {recall:.2f}")
PYTHON
