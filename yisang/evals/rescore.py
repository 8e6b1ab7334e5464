"""Raw outputs judged again: another protocol, a mended grader, or outputs that another tool has written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from yisang.errors import UsageError
from yisang.evals.lines import judged_line, read
from yisang.evals.protocols import Protocol, protocol
from yisang.evals.summary import Summary, summarise


class Rescored(msgspec.Struct, frozen=True, kw_only=True):
    """Scores of a file. cells: the same by the lines' `cell`, where they have one. lines: each verdict, in order."""

    file: str
    protocol: Protocol
    primary: str
    overall: Summary
    cells: dict[str, Summary]
    lines: list[dict[str, Any]]


def rescore(path: str, by: str | Protocol = "paper", *, primary: str = "accuracy") -> Rescored:
    """Judges each line of a file (see `lines`) by the protocol's box and counts as it counts.

    primary: the measure that is the score. Sampling settings of the protocol play no part. Raises UsageError naming file
    and line for what cannot be scored.
    """
    settings = protocol(by)
    judged = []
    shown: list[dict[str, Any]] = []
    for number, line in read(path):
        try:
            found = judged_line(line, settings)
        except UsageError as error:
            raise UsageError(f"{Path(path).name}, line {number} cannot be judged: {error}") from error
        judged.append(found)
        shown.append(
            {
                "line": number,
                "id": found.id,
                "verdict": found.verdict,
                "reason": found.reason,
                "found": found.found,
                "measures": found.measures,
            }
        )
    if not judged:
        raise UsageError(f"{path} has no lines to score. Each must be an object with `gold` and `response`.")
    names = {name for answer in judged for name in answer.measures}
    if primary not in names:
        raise UsageError(f"No line of {path} has the measure {primary!r}; there are {', '.join(sorted(names))}.")
    samples = 1 + max(answer.sample for answer in judged)
    cells = {
        cell: summarise([answer for answer in judged if answer.cell == cell], primary=primary, samples=samples)
        for cell in dict.fromkeys(answer.cell for answer in judged)
        if cell
    }
    overall = summarise(judged, primary=primary, samples=samples)
    return Rescored(file=path, protocol=settings, primary=primary, overall=overall, cells=cells, lines=shown)
