"""A crawl as the source of a recipe: host → pages, one shard per host."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from yisang.errors import UsageError, YisangError
from yisang.records import UNKNOWN_LICENCE, Dead, Drop, Licence, Page, content_id
from yisang.sources.base import InputFile, PassedOver, Shard, SourceItem, input_files
from yisang.sources.crawl.child import crawl_in_child
from yisang.sources.crawl.frontier import Frontier
from yisang.sources.crawl.site import FRONTIER
from yisang.sources.crawl.sites import read_sites
from yisang.sources.crawl.tag import Tag
from yisang.sources.rights.licences.steps import MEASURE
from yisang.sources.rights.signals import stored
from yisang.sources.warc import Warc


@dataclass(frozen=True)
class Crawl:
    """The pages of the crawl of `sites` (a SITES.toml) into `folder`: what is not crawled yet is. Without `sites` only what lies there is read.

    Each URL that was asked for and said no is a drop (`opt_out`), each that failed by our own fault is a dead letter; redirects, errors,
    and what was never asked for are told by their verdict. A page has the licence of its host, lowered by what it says itself, as both were when it
    was crawled; `TagLicence` in a recipe judges anew by a registry of today. A page's `fetched` is when its bytes came; that they were looked at again since
    (`yisang crawl --again`) is in the frontier. One process crawls a host, wherever it runs, so the folder must be one that all workers see.
    """

    sites: str = ""
    folder: str = "pages"
    licence: Licence | None = None
    category: str = ""
    name: str = "crawl"

    def __post_init__(self) -> None:
        if "://" in self.folder:
            raise UsageError(
                f"A crawl lies in local files, and {self.folder} is elsewhere. Name a folder that all workers see."
            )

    def identity(self) -> dict[str, Any]:
        """Neither the folder nor the file of sites, which stands among the inputs."""
        return {"name": self.name, "category": self.category, "licence": self.licence, "crawls": bool(self.sites)}

    def shards(self) -> list[Shard]:
        return [Shard(host) for host in self._hosts()]

    def _hosts(self) -> list[str]:
        if self.sites:
            return sorted(site.host for site in read_sites(self.sites).sites)
        found = sorted(path.parent.name for path in Path(self.folder).glob(f"*/{FRONTIER}"))
        if not found:
            raise UsageError(
                f"There is no crawl in '{self.folder}'. Make one: yisang crawl SITES.toml --out {self.folder}"
            )
        return found

    def inputs(self) -> list[InputFile]:
        """The file of sites, and for each host that was crawled again which edition lies there; without a file of sites, what lies there."""
        found = input_files([self.sites]) if self.sites else []
        for host in self._hosts():
            path = Path(self.folder) / host / FRONTIER
            frontier = _opened(path) if path.exists() else None
            if frontier is None:
                continue
            edition, finished = frontier.edition, frontier.fact("finished")
            pages = frontier.counts().get("page", 0)
            frontier.close()
            if not self.sites:
                found.append(InputFile(str(path), pages, f"edition {edition}, finished {finished}"))
            elif edition > 1:
                found.append(InputFile(str(path), 0, f"edition {edition}"))
        return found

    def read(self, shard: Shard) -> Iterator[SourceItem]:
        folder = Path(self.folder) / shard.path
        self._crawl(shard.path)
        frontier = _opened(folder / FRONTIER)
        try:
            if queued := frontier.queued():
                raise YisangError(
                    f"The crawl of {shard.path} in {self.folder} is not at its end: {queued} URLs are still to be asked for. "
                    f"Go on with it: yisang crawl {self.sites or 'SITES.toml'} --out {self.folder}"
                )
            yield from self._pages(folder, frontier)
            passed: Counter[str] = Counter()
            for row in frontier.rows():
                if row["verdict"] == "opt_out":
                    yield _refused(row, self.category, self.licence)
                elif row["verdict"] == "error":
                    yield Dead("CrawlError", f"the answer of {row['url']} could not be judged", row["why"], row["url"])
                elif row["verdict"] != "page":
                    passed[row["verdict"]] += 1
            yield from (PassedOver(what, count) for what, count in sorted(passed.items()))
        finally:
            frontier.close()

    def _pages(self, folder: Path, frontier: Frontier) -> Iterator[SourceItem]:
        """The pages by what the WARC holds; the frontier says which of its records is a page as it stands now."""
        # Their numbers alone: the rows of a large site are gigabytes.
        left, damage = frontier.pages(), list[str]()
        if not left:
            return
        archive = Warc(str(folder), licence=self.licence, category=self.category, name=self.name)
        # A folder whose files are gone is damaged like any other: each of its pages is missing.
        for shard in archive.shards() if any(folder.glob("*.warc.gz")) else []:
            for item in archive.read(shard):
                if isinstance(item, Page) and (number := left.pop((item.url, item.fetched), None)) is not None:
                    yield self._tagged(item, frontier.row(number))
                elif isinstance(item, Dead):
                    damage.append(f"{item.where}: {item.message}")
        for (url, fetched), number in left.items():
            why = "; ".join(damage) or "nothing in the file is damaged"
            place = frontier.row(number)["warc"]
            yield Dead(
                "MissingRecord",
                f"no whole record of {url} of {fetched} is there, once at {place} ({why})",
                where=f"{folder}/{place}",
            )

    def _tagged(self, page: Page, row: dict[str, Any]) -> Page:
        """The page with the verdict on its rights, and with the licence that the crawl gave it unless the recipe names one."""
        tag = Tag.read(row["licence"])
        return msgspec.structs.replace(
            page,
            rights=row["rights"],
            licence=self.licence or tag.licence,
            category=self.category or tag.category,
            measures=page.measures | {MEASURE: tag.agreement},
        )

    def _crawl(self, host: str) -> None:
        """Crawls a host to its end in a process of its own, where SITES are named and it is not done."""
        if not self.sites:
            return
        crawl_in_child(self.sites, self.folder, hosts=(host,))

    def count(self, shard: Shard) -> int | None:
        """Pages, refusals and failures by the frontier, once the host is crawled."""
        self._crawl(shard.path)
        frontier = _opened(Path(self.folder) / shard.path / FRONTIER)
        counts = frontier.counts()
        frontier.close()
        return sum(counts.get(verdict, 0) for verdict in ("page", "opt_out", "error"))


def pages_at(inputs: str, name: str) -> Crawl | Warc:
    """The pages that a command line names: the folder of a crawl, or WARC files (a path, a folder, a pattern)."""
    if "://" not in inputs and any(Path(inputs).glob(f"*/{FRONTIER}")):
        return Crawl(folder=inputs, name=name)
    return Warc(inputs, name=name)


def _opened(path: Path) -> Frontier:
    if not path.exists():
        raise YisangError(f"There is no frontier at {path}: the crawl that should have made it did not run.")
    return Frontier(path, reading=True)


def _refused(row: dict[str, Any], category: str, licence: Licence | None) -> Drop:
    rights = stored(row["rights"])
    page = Page(
        id=content_id(row["url"], b""),
        url=row["url"],
        status=row["status"] or 0,
        fetched=row["seen"],
        rights=row["rights"],
        category=category,
        licence=licence or UNKNOWN_LICENCE,
    )
    deciding = rights.deciding if rights else None
    where = deciding.where if deciding else ""
    return Drop("opt_out", {"url": row["url"], "rule": row["rule"], "where": where, "why": row["why"]}, record=page)
