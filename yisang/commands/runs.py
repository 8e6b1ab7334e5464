"""What reads a run: show, diff, publish."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from yisang.commands.options import JsonOption, PrivateTextOption, RunArgument
from yisang.commands.output import print_json, say
from yisang.errors import UsageError


def show(
    run: RunArgument,
    identifier: Annotated[
        str, typer.Option("--id", help="Where this record, and what was made of it, went and why.")
    ] = "",
    drops: Annotated[
        int,
        typer.Option("--drops", help="Print this many drops, with reason and evidence; with --json whole, one a line."),
    ] = 0,
    dead: Annotated[
        int,
        typer.Option("--dead", help="Print this many dead letters; with --json whole, with tracebacks, one a line."),
    ] = 0,
    reason: Annotated[str, typer.Option("--reason", help="With --drops: only those dropped for this reason.")] = "",
    private: PrivateTextOption = False,
    as_json: JsonOption = False,
) -> None:
    """Shows the books of a finished run, or the way of one record through it."""
    from yisang.pipelines import report
    from yisang.pipelines.expected import compared, expected_text, read_expected
    from yisang.pipelines.purge_run import read_purges
    from yisang.pipelines.run import open_run, read_books

    if identifier:
        found = report.trace_record(run, identifier, private)
        if as_json:
            print_json(found)
        for entry in [] if as_json else found:
            details = [
                f"{key}: {entry[key]}" for key in ("step", "reason", "evidence", "error", "message") if entry.get(key)
            ]
            print(f"{entry['phase']}  {entry['what']}  {entry['id']}" + "".join(f"\n    {line}" for line in details))
    elif drops or dead:
        for role, limit in (("drops", drops), ("dead", dead)):
            for row in report.rejected(run, role, limit, private, reason if role == "drops" else ""):
                print(json.dumps(row, ensure_ascii=False) if as_json else report.rejection_line(row))
    else:
        out, _ = open_run(run)
        books, expected = read_books(out), read_expected(out)
        if as_json:
            print_json(report.books_json(books) | ({"expected": compared(books, expected)} if expected else {}))
        else:
            print(report.books_text(books))
            if expected:
                print(expected_text(books, expected))
            for one in read_purges(out):
                print(
                    f"purged on {one.at[:10]}: {one.records:,} stored records, {one.dropped:,} drops, {one.dead:,} dead letters"
                )


def diff(
    first: Annotated[str, typer.Argument(metavar="RUN1", help="The folder of a finished run.")],
    second: Annotated[str, typer.Argument(metavar="RUN2", help="The folder of another one.")],
    step: Annotated[str, typer.Option("--step", help="Only what this step rejected in one of them.")] = "",
    examples: Annotated[
        int, typer.Option("--examples", min=0, help="So many of each step and reason, and of what changed.")
    ] = 3,
    private: PrivateTextOption = False,
    as_json: JsonOption = False,
) -> None:
    """Shows what changed between two runs, and which records that gained and lost, and why."""
    import msgspec

    from yisang.pipelines.diff import diff_runs
    from yisang.pipelines.diff_text import diff_text

    found = diff_runs(first, second, step=step, examples=examples, private=private, say=say)
    if as_json:
        print_json(msgspec.to_builtins(found))
    else:
        print(diff_text(found))


def publish(
    run: RunArgument,
    purpose: Annotated[
        str, typer.Option("--for", help="sft: training rows; rl: questions with a gold that passes its grader.")
    ] = "sft",
    to: Annotated[str | None, typer.Option("--to", help="A folder for the data set.")] = None,
    repo: Annotated[str | None, typer.Option("--repo", help="A data set on the Hugging Face Hub: user/name.")] = None,
    private: Annotated[
        bool, typer.Option("--private", help="Allow rows that may train but not be redistributed (B).")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the exact files and write nothing.")] = False,
) -> None:
    """Publishes a finished run as a data set with a card: the kept rows, or their questions for RL."""
    from yisang.pipelines.publish import publish as publish_run

    if to is None and repo is None:
        raise UsageError("Nowhere to publish to. Name a folder with --to DIR or a Hub data set with --repo user/name.")
    publish_run(run, purpose=purpose, to=to, repo=repo, private=private, dry_run=dry_run, say=print)
