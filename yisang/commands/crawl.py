"""What touches the web: crawl, rights."""

from __future__ import annotations

import datetime
from typing import Annotated

import typer

from yisang.commands.options import JsonOption
from yisang.commands.output import print_json, say


def crawl(
    sites: Annotated[
        str, typer.Argument(metavar="SITES", help="The registry of sites (SITES.toml), with a table [crawl].")
    ],
    out: Annotated[str, typer.Option("--out", help="The folder: for each host its WARC files and its frontier.")],
    host: Annotated[list[str] | None, typer.Option("--host", help="Only this site of the file; repeatable.")] = None,
    again: Annotated[
        bool,
        typer.Option(
            "--again", help="Ask once more for what was fetched, by what has changed since (ETag, Last-Modified)."
        ),
    ] = False,
    connect_to: Annotated[
        str,
        typer.Option(
            "--connect-to", metavar="IP:PORT", help="Connect there for every host, as to a mirror on this machine."
        ),
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Crawls sites politely into WARC files; goes on from where it was stopped or killed."""
    import msgspec

    from yisang.filters.licence import Registry
    from yisang.sources.crawl.running import check_out, crawl
    from yisang.sources.crawl.sites import read_sites

    found = read_sites(sites, connect_to=connect_to)
    if warning := Registry(sites).age_warning(datetime.date.today()):
        say(warning)
    if host:
        found = msgspec.structs.replace(found, sites=tuple(found.site(name) for name in host))
    elif found.left_out:
        say(f"Left out, as their letter is C: {', '.join(found.left_out)}")
    counts = crawl(found, check_out(out), again=again, say=say)
    if as_json:
        print_json(dict(sorted(counts.items())))
    else:
        for verdict, count in counts.most_common():
            print(f"{count:9,d}  {verdict}")


def rights(
    targets: Annotated[
        list[str] | None,
        typer.Argument(metavar="FILE-or-URL…", help="HTML or WARC files, or addresses, which are asked for politely."),
    ] = None,
    robots: Annotated[
        str, typer.Option("--robots", help="A robots.txt: with --url, whether it allows an address, and by which rule.")
    ] = "",
    agent: Annotated[str, typer.Option("--agent", help="The product token that rules may name.")] = "yisang",
    url: Annotated[str, typer.Option("--url", help="With --robots: the address.")] = "",
    contact: Annotated[
        str, typer.Option("--contact", help="With addresses: mailto: or http(s): of whoever asks.")
    ] = "",
    connect_to: Annotated[
        str,
        typer.Option(
            "--connect-to", metavar="IP:PORT", help="Connect there for every host, as to a mirror on this machine."
        ),
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Tells the licence and the opt-outs of pages, with what says so."""
    from yisang.errors import UsageError
    from yisang.sources.rights.report import report_text, reports, robots_report

    if robots:
        if not url or targets:
            raise UsageError(
                "--robots reads one robots.txt for one address: yisang rights --robots FILE --agent yisang --url URL"
            )
        found = robots_report(robots, agent, url)
        if as_json:
            print_json(found)
        else:
            print(
                f"{'allowed' if found['allowed'] else 'forbidden'}: {found['rule'] or 'no rule'} ({found['where']}; {found['why']})"
            )
        return
    if not targets or url:
        raise UsageError(
            "Name HTML or WARC files, or addresses: yisang rights page.html. A robots.txt is read with --robots and --url."
        )
    found_all = reports(targets, agent=agent, contact=contact, say=say, connect_to=connect_to)
    if as_json:
        print_json([report.as_dict() for report in found_all])
    else:
        for report in found_all:
            print(report_text(report))
