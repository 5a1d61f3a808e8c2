#!/usr/bin/env bash
# Holds titles, charsets and links of a documentation tree that nobody here wrote against html5lib: once read as local
# files, once from a loopback web server as a list of URLs, and once by following links from the index.
#
# usage: scripts/real-docs.sh [DIRECTORY]
# Without a directory it takes the HTML of Debian's python3-doc, and installs that where it may. The Python packages
# go into target/real-docs/venv; nothing else is touched.
set -euo pipefail
cd "$(dirname "$0")/.."

bed=target/real-docs
mkdir -p "$bed"

tree=${1:-}
if [ -z "$tree" ]; then
    tree=$(find /usr/share/doc -maxdepth 2 -path '*/python3*/html' -print -quit 2>/dev/null || true)
fi
if [ -z "$tree" ] && command -v apt-get >/dev/null; then
    # Unpacked here rather than installed, so that no root is needed.
    package=$(apt-cache depends python3-doc 2>/dev/null | sed -n 's/.*Depends: \(python3\.[0-9]*-doc\)/\1/p' | head -1)
    if [ -n "$package" ] && (cd "$bed" && apt-get download "$package" >&2); then
        dpkg -x "$bed"/"$package"_*.deb "$bed/$package"
        tree=$(find "$bed/$package" -type d -path '*/html' -print -quit)
    fi
fi
if [ -z "$tree" ]; then
    echo "no documentation tree: install python3-doc, or name a directory of HTML files" >&2
    exit 1
fi

if [ ! -x "$bed/venv/bin/python" ]; then
    python3 -m venv "$bed/venv" || { echo "python3 with venv is needed: apt-get install python3-venv" >&2; exit 1; }
fi
"$bed/venv/bin/python" -c 'import html5lib' 2>/dev/null ||
    "$bed/venv/bin/pip" install --quiet 'html5lib>=1.1' webencodings || {
        echo "html5lib could not be installed" >&2
        exit 1
    }

cargo build --release --locked
exec "$bed/venv/bin/python" scripts/compare.py --trawl target/release/trawl "$tree"
