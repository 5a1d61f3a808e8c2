"""Reads urls.txt, writes peer.jsonl: title and links as they stand there, a hundred in flight."""

import scrapy
from scrapy.crawler import CrawlerProcess


class Pages(scrapy.Spider):
    name = "pages"

    async def start(self):
        with open("urls.txt") as lines:
            for line in lines:
                yield scrapy.Request(line.strip(), dont_filter=True)

    def parse(self, response):
        title = " ".join((response.css("title::text").get() or "").split())
        yield {"url": response.url, "title": title, "links": response.css("a::attr(href)").getall()}


process = CrawlerProcess(
    {
        "CONCURRENT_REQUESTS": 100,
        "CONCURRENT_REQUESTS_PER_DOMAIN": 100,
        "DOWNLOAD_DELAY": 0,
        "ROBOTSTXT_OBEY": False,
        "LOG_LEVEL": "ERROR",
        "TELNETCONSOLE_ENABLED": False,
        "FEEDS": {"peer.jsonl": {"format": "jsonlines"}},
    }
)
process.crawl(Pages)
process.start()
