"""What is known of the rights of files and addresses, for a person: the opt-outs and the licence of each page, with what says so."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from yisang.errors import UsageError
from yisang.records import Dead, Drop, Page
from yisang.sources.crawl import Crawl
from yisang.sources.crawl.child import crawl_in_child
from yisang.sources.crawl.frontier import Frontier
from yisang.sources.crawl.links import clean, key
from yisang.sources.crawl.site import FRONTIER
from yisang.sources.decode import decode
from yisang.sources.html_files import is_html_name
from yisang.sources.rights.licences import PageLicence, page_licence
from yisang.sources.rights.optout import page_signals
from yisang.sources.rights.robots import Robots
from yisang.sources.rights.signals import Rights, judge, stored
from yisang.sources.warc import Warc, is_warc_name


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What was found about one page. verdict: "page", or what became of an address instead (`yisang.sources.crawl.frontier.VERDICTS`).
    rights, licence: None where there was no page to read them from."""

    target: str
    verdict: str
    why: str = ""
    rights: Rights | None = None
    licence: PageLicence | None = None

    @property
    def letter(self) -> str:
        """Of the page by itself: C where it states no licence. What its host's registry entry says is another matter."""
        return self.licence.licence.letter if self.licence and self.licence.licence else "C"

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        deciding = self.licence.deciding if self.licence else None
        found = self.licence.licence if self.licence else None
        return {
            "target": self.target,
            "verdict": self.verdict,
            "why": self.why,
            "letter": self.letter,
            "id": found.id if found else None,
            "evidence": deciding.evidence if deciding else None,
            "place": f"{deciding.place} in {deciding.region}" if deciding else None,
            "opt_out": {
                "allowed": self.rights.allowed if self.rights else None,
                "signals": [msgspec.to_builtins(signal) for signal in self.rights.signals] if self.rights else [],
            },
            "licence": self.licence.as_dict() if self.licence else None,
        }


def robots_report(path: str, agent: str, url: str) -> dict[str, Any]:
    """What a robots.txt says of an address to an agent: `allowed`, and the rule that decided."""
    try:
        body = Path(path).read_bytes()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}.") from error
    if urlsplit(url).scheme not in ("http", "https"):
        raise UsageError(f"--url is {url!r}; it must be a whole address, such as https://example.org/page.")
    robots = Robots.parse(body)
    signal = robots.verdict(agent, url)
    found: dict[str, Any] = {"allowed": signal.allowed, "rule": signal.rule, "where": signal.where, "why": signal.why}
    found["content_signals"] = [msgspec.to_builtins(one) for one in robots.content_signals(agent, url)]
    return found | {"crawl_delay": robots.crawl_delay(agent)}


def reports(
    targets: list[str], *, agent: str, contact: str, say: Callable[[str], None], connect_to: str = ""
) -> Iterator[Report]:
    """Of each page of the files (HTML, WARC), in their order, then of each address, which is asked for as a crawl asks."""
    addresses = [target for target in targets if urlsplit(target).scheme in ("http", "https")]
    for target in targets:
        if target not in addresses:
            yield from _of_file(target, agent)
    if addresses:
        yield from _of_addresses(addresses, agent, contact, connect_to, say)


def _of_file(path: str, agent: str) -> Iterator[Report]:
    if not Path(path).is_file():
        raise UsageError(
            f"There is no file {path}. Give HTML or WARC files, or addresses that begin with http:// or https://."
        )
    if is_warc_name(path):
        archive = Warc(path)
        for shard in archive.shards():
            for item in archive.read(shard):
                if isinstance(item, Page):
                    yield _of_page(item.url, item, agent)
                elif isinstance(item, Dead):
                    yield Report(target=item.where, verdict="error", why=f"{item.error}: {item.message}")
        return
    if not is_html_name(path):
        raise UsageError(f"{path} is neither HTML nor WARC by its name. A robots.txt is read with --robots.")
    yield _of_page(
        path, Page(id=path, url="", body=Path(path).read_bytes(), headers={"content-type": "text/html"}), agent
    )


def _of_page(target: str, page: Page, agent: str) -> Report:
    known = stored(page.rights)
    try:
        text = decode(page.body, page.headers.get("content-type")).text
    except UnicodeError as error:
        return Report(target=target, verdict="error", why=f"it cannot be decoded: {error}")
    signals = [*(known.signals if known else ()), *page_signals(page.headers, text, agent)]
    return Report(
        target=target,
        verdict="page",
        rights=judge(dict.fromkeys(signals)),
        licence=page_licence(text, page.url, page.headers),
    )


def _of_addresses(
    addresses: list[str], agent: str, contact: str, connect_to: str, say: Callable[[str], None]
) -> Iterator[Report]:
    """By a crawl that ends with the addresses themselves: robots.txt first, limits and all."""
    if not contact:
        raise UsageError(
            "An address is asked for, and its owner wants to know by whom. Add --contact mailto:you@example.org."
        )
    cleaned = {address: clean(address) for address in addresses}
    if wrong := [address for address, whole in cleaned.items() if whole is None]:
        raise UsageError(f"{wrong[0]!r} is no address that can be asked for.")
    if literal := [address for address, whole in cleaned.items() if "[" in urlsplit(whole or "").netloc]:
        raise UsageError(
            f"{literal[0]} names an IPv6 address. Give the name of the host, by which its rights are known."
        )
    by_host: dict[str, list[str]] = {}
    for whole in cleaned.values():
        by_host.setdefault(urlsplit(whole or "").hostname or "", []).append(whole or "")
    with tempfile.TemporaryDirectory() as folder:
        sites = Path(folder) / "sites.toml"
        sites.write_text(_sites_text(by_host, agent, contact), encoding="utf-8")
        out = Path(folder) / "out"
        crawl_in_child(str(sites), str(out), connect_to=connect_to, say=say)
        source = Crawl(folder=str(out))
        pages = {
            item.url: item
            for shard in source.shards()
            for item in source.read(shard)
            if not isinstance(item, Drop) and isinstance(item, Page)
        }
        for address, whole in cleaned.items():
            row = _row(out / (urlsplit(whole or "").hostname or "") / FRONTIER, whole or "")
            yield _of_row(address, row, pages, agent)


def _of_row(address: str, row: dict[str, Any], pages: dict[str, Page], agent: str) -> Report:
    page = pages.get(row["url"])
    if row["verdict"] == "page" and page is not None:
        found = _of_page(address, page, agent)
        why = f"by way of {row['via']}" if row["via"] else ""
        return msgspec.structs.replace(found, why=why)
    why = row["why"] or row["rule"]
    if row["verdict"] == "redirect":
        why = f"to {row['target']}, {row['why'] or 'which could not be read'}"
    return Report(target=address, verdict=row["verdict"], why=why, rights=stored(row["rights"]))


def _row(path: Path, url: str) -> dict[str, Any]:
    """The row of an address, or of the page that its redirects lead to."""
    frontier = Frontier(path, reading=True)
    try:
        rows = {row["key"]: row for row in frontier.rows()}
    finally:
        frontier.close()
    row = rows[key(url)]
    seen = {row["key"]}
    while row["verdict"] == "redirect" and (following := rows.get(key(row["target"]))) and following["key"] not in seen:
        row = following
        seen.add(row["key"])
    return row


def _sites_text(by_host: dict[str, list[str]], agent: str, contact: str) -> str:
    lines = [
        "[crawl]",
        f"agent = {json.dumps(agent)}",
        f"contact = {json.dumps(contact)}",
        "tries = 1",
        "timeout = 30.0",
        "max_wait = 0.0",
    ]
    for host, urls in by_host.items():
        lines += ["[[site]]", f"host = {json.dumps(host)}", 'licence = "unknown"', 'letter = "C"', 'category = "-"']
        lines += ['evidence = "one page is asked for"', 'date = "2000-01-01"']
        # Hosts of letter C are crawled where a table says how.
        lines += ["[site.crawl]", f"start = {json.dumps(urls)}", "sitemaps = []", "max_depth = 0"]
    return "\n".join(lines) + "\n"


def report_text(report: Report) -> str:
    """For a person."""
    lines = [report.target]
    if report.verdict != "page":
        lines.append(f"  {report.verdict}: {report.why}" if report.why else f"  {report.verdict}")
    if report.licence is not None:
        lines += _licence_lines(report)
    if report.rights is not None and (report.licence is not None or not report.rights.allowed):
        told = [signal for signal in report.rights.signals if signal.rule]
        lines.append(f"  opt-outs  {'none' if report.rights.allowed else 'MUST NOT BE USED'}")
        lines += [
            f"            {'allows' if signal.allowed else 'forbids'}: {signal.rule} ({signal.where}; {signal.why})"
            for signal in told
        ]
    return "\n".join(lines)


def _licence_lines(report: Report) -> list[str]:
    found = report.licence
    assert found is not None
    deciding = found.deciding
    flags = []
    if found.licence is not None:
        flags = ["no changed copies"] * (not found.licence.derive) + [
            "changed copies keep the licence"
        ] * found.licence.share_alike
    name = found.licence.id if found.licence else "no statement about this page"
    lines = [f"  letter {report.letter}  {', '.join([name, *flags])}"]
    if deciding is not None:
        lines.append(
            f"  evidence  {deciding.evidence} ({deciding.place} in {deciding.region}; statements: {found.agreement})"
        )
        lines.append(f"  around    {' '.join(deciding.context.split())}")
    others = [finding for finding in found.findings if finding is not deciding]
    lines += [
        f"  also      {one.id}, not decisive ({one.scope}): {one.evidence} ({one.place} in {one.region})"
        for one in others[:8]
    ]
    if len(others) > 8:
        lines.append(f"            and {len(others) - 8} more")
    if found.fault:
        lines.append(f"  fault     {found.fault}")
    return lines
