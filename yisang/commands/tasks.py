"""Worded tasks: made, or verified."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from yisang.commands.output import json_line


def tasks(
    count: Annotated[int, typer.Option("--n", help="How many problems.")] = 10,
    ops: Annotated[str, typer.Option("--ops", help="Operations: a number or a range (digits, for addition).")] = "2-10",
    lang: Annotated[str, typer.Option("--lang", help="The language of the problems.")] = "ko",
    context: Annotated[str, typer.Option("--context", help="What they are about. [default: all, evenly]")] = "",
    preset: Annotated[str, typer.Option("--preset", help="general, narrow or addition.")] = "general",
    direction: Annotated[str, typer.Option("--direction", help="forward, reverse or both.")] = "forward",
    mode: Annotated[
        str, typer.Option("--mode", help="Of the gold trace: mixed, target_only or english_only. [default: mixed]")
    ] = "",
    seed: Annotated[int, typer.Option("--seed", help="The same seed gives the same problems everywhere.")] = 0,
    verify: Annotated[
        str | None, typer.Option("--verify", help="Verify a file of such objects with a `response` each.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False,
) -> None:
    """Makes arithmetic word problems with a known solution graph, or verifies solutions of them."""
    from yisang.tasks import listing

    if verify is not None:
        checked = []
        for item in listing.verified_lines(verify):
            if as_json:
                print(json_line(item))
            else:  # a file may be larger than memory
                checked.append({key: item[key] for key in ("process_acc", "answer_correct", "verified")})
        if not as_json:
            print(listing.summary(checked))
        return
    for problem in listing.listed(
        count, seed, ops=ops, language=lang, context=context, preset=preset, direction=direction, mode=mode
    ):
        found = problem.to_json()
        print(json.dumps(found, ensure_ascii=False) if as_json else listing.text(found))
