"""Crawling sites politely into WARC files: `Crawl` is a source of a recipe, `yisang crawl` the command.

sites      SITES.toml                         links      the URLs of a page, a sitemap, a feed
frontier   SQLite: URLs and their verdicts    archive    WARC 1.1
site       one site while it is crawled       rules      robots.txt and tdmrep.json of an origin
answers    from an answer to its verdict      resolver   which addresses may be connected to
spider     Scrapy's part                      heads      a bound on the head of an answer
running    a crawl from beginning to end      child      a crawl in a process of its own
source     Crawl
"""

from yisang.sources.crawl.source import Crawl, pages_at

__all__ = ["Crawl", "pages_at"]
