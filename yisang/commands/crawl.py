"""What touches the web: crawl, rights."""

from __future__ import annotations

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

    from yisang.sources.crawl.running import check_out, crawl
    from yisang.sources.crawl.sites import read_sites

    found = read_sites(sites, connect_to=connect_to)
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
