"""Scrapy's own parts, that the crawl does without: each does here what it was seen to do wrong.

python scrapy_twins.py robots|unavailable|jobdir 127.0.0.1:PORT FOLDER
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from typing import Any

import scrapy
from hostile_hosts import choose, polite
from scrapy.crawler import AsyncCrawlerProcess

from yisang.sources.crawl.resolver import Guard
from yisang.sources.crawl.sites import split_address

COLD, UNAVAILABLE, POLITE = choose("cold")[0], choose("robots-503")[0], polite(1, 60)[0]
SETTINGS: dict[str, dict[str, Any]] = {
    "robots": {"ROBOTSTXT_OBEY": True},
    "unavailable": {"ROBOTSTXT_OBEY": True, "RETRY_ENABLED": False},
    "jobdir": {"DOWNLOAD_DELAY": 0.05, "DOWNLOAD_DELAY_JITTER": 0.0, "CONCURRENT_REQUESTS_PER_DOMAIN": 1},
}
HOSTS = {"robots": COLD, "unavailable": UNAVAILABLE, "jobdir": POLITE}


class Twin(scrapy.Spider):
    """Asks the server for one host, which stands in the Host header."""

    name = "twin"

    def __init__(self, host: Any, server: str, **more: Any):
        super().__init__(**more)
        self.host, self.server = host, server

    async def start(self) -> AsyncIterator[Any]:
        from twisted.internet import reactor

        # Every name leads to the server of the test.
        resolver = Guard(reactor.nameResolver, lambda host: split_address(self.server))  # type: ignore[attr-defined]
        reactor.installNameResolver(resolver)  # type: ignore[attr-defined]
        for target in self.host.start:
            yield scrapy.Request(self.host.url(target))

    def parse(self, response: Any, **_: Any) -> Any:
        if self.host is POLITE:
            yield from response.follow_all(css="a")


def main(name: str, server: str, folder: str) -> None:
    settings = {"LOG_LEVEL": "ERROR", "USER_AGENT": "yisang", "TELNETCONSOLE_ENABLED": False, **SETTINGS[name]}
    if name == "jobdir":
        settings["JOBDIR"] = f"{folder}/job"
    process = AsyncCrawlerProcess(settings)
    process.crawl(Twin, host=HOSTS[name], server=server)
    process.start()


if __name__ == "__main__":
    main(*sys.argv[1:])
