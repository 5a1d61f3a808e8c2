"""Reads urls.txt, writes peer.jsonl: title and links as they stand there, a hundred in flight."""

import asyncio
import json

import aiohttp
from selectolax.lexbor import LexborHTMLParser

try:
    import uvloop
except ImportError:
    uvloop = None

IN_FLIGHT = 100


async def worker(session, urls, out):
    for url in urls:
        async with session.get(url) as answer:
            body = await answer.read()
        page = LexborHTMLParser(body)
        title = page.css_first("title")
        links = [link.attributes.get("href") for link in page.css("a[href]")]
        title = " ".join(title.text().split()) if title else None
        out.write(json.dumps({"url": url, "title": title, "links": links}) + "\n")


async def main():
    with open("urls.txt") as lines, open("peer.jsonl", "w") as out:
        urls = iter([line.strip() for line in lines])
        connector = aiohttp.TCPConnector(limit=IN_FLIGHT)
        async with aiohttp.ClientSession(connector=connector) as session:
            await asyncio.gather(*(worker(session, urls, out) for _ in range(IN_FLIGHT)))


(uvloop.run if uvloop else asyncio.run)(main())
