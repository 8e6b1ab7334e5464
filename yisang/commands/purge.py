"""`yisang purge`: takes a source out of runs, answers, pages and publications."""

from __future__ import annotations

from typing import Annotated

import typer

from yisang.commands.options import JsonOption
from yisang.commands.output import print_json, say


def purge(
    host: Annotated[list[str] | None, typer.Option("--host", help="A host to take out; repeatable.")] = None,
    url: Annotated[list[str] | None, typer.Option("--url", help="A page to take out; repeatable.")] = None,
    run: Annotated[list[str] | None, typer.Option("--run", help="The folder of a run; repeatable.")] = None,
    subdomains: Annotated[bool, typer.Option("--subdomains", help="Hosts below those of --host, too.")] = False,
    answers: Annotated[
        list[str] | None, typer.Option("--answers", help="An answer store, besides the one beside the run; repeatable.")
    ] = None,
    pages: Annotated[
        list[str] | None, typer.Option("--pages", help="A WARC file or a crawl's folder, to be rewritten; repeatable.")
    ] = None,
    published: Annotated[
        list[str] | None, typer.Option("--published", help="A publication, besides RUN/published; repeatable.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go and change nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Takes a host or a page out of runs, with all that was made of it, and searches the bytes for what is left."""
    import msgspec

    from yisang.pipelines.purge import Where, purge
    from yisang.pipelines.purge_target import Target
    from yisang.pipelines.purge_text import report_text

    target = Target.of(host or [], url or [], subdomains)
    where = Where(tuple(run or ()), tuple(answers or ()), tuple(pages or ()), tuple(published or ()))
    found = purge(target, where, dry_run=dry_run, say=say)
    if as_json:
        print_json(msgspec.to_builtins(found) | {"clean": found.clean})
    else:
        print(report_text(found))
    if not found.clean:
        raise typer.Exit(1)
