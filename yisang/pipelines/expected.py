"""What a paper says is left behind a step, beside what a run has measured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from yisang.pipelines.books import Books
from yisang.pipelines.recipe import Expected
from yisang.storage import Folder, read_json


def read_expected(out: Folder) -> tuple[Expected, ...]:
    """What the recipe of a run expects; nothing of a run of an older release."""
    described = read_json(out, "recipe.json", dict[str, Any])
    return tuple(Expected(**item) for item in described.get("expected", ()))


def compared(books: Books, expected: Sequence[Expected]) -> list[dict[str, Any]]:
    """A row for each: what is expected, and what the books say. Shares are None where there is nothing to be a share of."""
    kept = {step.name: step.kept for step in books.steps}
    rows = []
    for item in expected:
        here = books.category.get(item.category, 0) if item.category else kept[item.step]
        whole = books.kept if item.category else kept.get(item.since)
        share = here / whole if whole and (item.since or item.category) else None
        rows.append(
            {
                "what": item.what,
                "step": item.step,
                "expected": item.count,
                "expected_share": item.share,
                "measured": here,
                "measured_share": share,
                "where": item.where,
                "note": item.note,
            }
        )
    return rows


def expected_text(books: Books, expected: Sequence[Expected]) -> str:
    """The rows as a table, with the notes under it."""
    rows = compared(books, expected)
    table = [("expected beside measured", "expected", "share", "here", "share", "where")]
    for row in rows:
        table.append(
            (
                row["what"],
                "not printed" if row["expected"] is None else f"{row['expected']:,}",
                _percent(row["expected_share"]),
                f"{row['measured']:,}",
                _percent(row["measured_share"]),
                row["where"],
            )
        )
    widths = [max(len(line[column]) for line in table) for column in range(5)]
    lines = [
        "  ".join(
            [line[0].ljust(widths[0]), *(line[column].rjust(widths[column]) for column in range(1, 5)), line[5]]
        ).rstrip()
        for line in table
    ]
    lines.insert(1, "-" * max(map(len, lines)))
    return "\n".join([*lines, *(f"{row['what']}: {row['note']}" for row in rows if row["note"])])


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"
