"""The outcome of `yisang diff` for a person."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from msgspec import UNSET

from yisang.pipelines.diff import Diff, Moved, RunSide, Side
from yisang.pipelines.diff_recipes import Change, RecipeDiff
from yisang.pipelines.diff_tally import WORDS, Label
from yisang.pipelines.report import beginning

SHOWN_INPUTS = 10
SHOWN_VALUE = 60


def diff_text(diff: Diff) -> str:
    """The runs, what changed, what that gained and lost."""
    lines = [_run("first ", diff.first), _run("second", diff.second), "", *_recipe(diff.recipe, diff.step), ""]
    lines += _kept_in_both(diff)
    lines += _side("gained", "the second", "the first", diff.gained)
    lines += _side("lost", "the first", "the second", diff.lost)
    if diff.moved:
        lines += ["", "Rejected in both, by something else:"]
        rows = [(_moved(one), f"{one.records:,}") for one in diff.moved]
        lines += _columns(rows)
    return "\n".join(lines)


def _run(which: str, run: RunSide) -> str:
    repeated = f", {run.repeated:,} of them with an id that another row has too" if run.repeated else ""
    return f"{which}  {run.address}: {run.recipe} {run.version}, fingerprint {run.fingerprint[:12]}, {run.kept:,} kept{repeated}"


# What changed


def _recipe(recipe: RecipeDiff, step: str) -> list[str]:
    changed = [change for change in recipe.changed if step in ("", change.step)]
    lines = [
        f"  {change.step}: {name} {_both(value)}" for change in changed for name, value in change.parameters.items()
    ]
    lines += [f"  + {name}: {what}" for name, what in recipe.added.items() if step in ("", name)]
    lines += [f"  - {name}: {what}" for name, what in recipe.removed.items() if step in ("", name)]
    moved = [name for name in recipe.moved if step in ("", name)]
    if moved:
        lines.append(f"  at another place among the steps: {', '.join(moved)}")
    if code := [change.step for change in changed if not change.parameters]:
        lines.append(f"  in its code alone: {', '.join(code)}")
    if not step:
        lines += [f"  {name} {_both(value)}" for name, value in recipe.about.items()]
        lines += [f"  input {one.source}: {one.path} {_both(one.change)}" for one in recipe.inputs[:SHOWN_INPUTS]]
        if len(recipe.inputs) > SHOWN_INPUTS:
            lines.append(f"  and {len(recipe.inputs) - SHOWN_INPUTS:,} more inputs")
    head = f"Changed in step {step}:" if step else "Changed:"
    found = [head, *lines] if lines else [f"{head} nothing"]
    if recipe.reads_differ:
        found.append("The two runs did not read the same, so not all of what follows comes of their steps.")
    return found


def _both(change: Change) -> str:
    """ "0.3 → 0.25", or that only one run has it."""
    if change.first is UNSET:
        return f"{_short(change.second)} (in the second alone)"
    if change.second is UNSET:
        return f"{_short(change.first)} (in the first alone)"
    return f"{_short(change.first)} → {_short(change.second)}"


def _short(value: Any) -> str:
    """A value in a few words; a digest by its first characters."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    if len(text) == 64 and not set(text) - set("0123456789abcdef"):
        return f"{text[:12]}…"
    text = " ".join(text.split())
    return f"{text[:SHOWN_VALUE]}…" if len(text) > SHOWN_VALUE else text


# What that gained and lost


def _kept_in_both(diff: Diff) -> list[str]:
    lines = [f"{diff.same + diff.changed:,} kept in both, {diff.same:,} of them the same"]
    if diff.changed:
        fields = ", ".join(f"{name} {count:,}" for name, count in diff.fields.items())
        lines.append(f"  {diff.changed:,} differ, in {fields}")
    for example in diff.changed_examples:
        lines.append(f"    {example['id']}  {_text(example['record'])}")
        for name in example["fields"]:
            one, other = example["first"][name], example["second"][name]
            # Both are None where the text is withheld.
            if one != other:
                lines.append(f"      {name}: {_short(one)} → {_short(other)}")
    return lines


def _side(what: str, keeps: str, other: str, side: Side) -> Iterator[str]:
    yield ""
    if not side.records:
        yield f"0 {what}"
        return
    yield f"{side.records:,} {what}: kept in {keeps} run alone. What became of them in {other}:"
    yield from _columns([(_label((why.step, why.reason)), f"{why.records:,}") for why in side.why])
    for title, counts in (("category", side.category), ("licence", side.licence)):
        counted = ", ".join(f"{name or '(none)'} {count:,}" for name, count in counts.items())
        yield f"  by {title}: {counted}"
    for example in side.examples:
        evidence = json.dumps(example["evidence"], ensure_ascii=False) if "evidence" in example else ""
        told = evidence or (f"({example['message']})" if "message" in example else "")
        yield f"    {example['id']}  {_label((example['step'], example['reason']))}{' ' if told else ''}{told}"
        yield f"      {_text(example['record'])}"


def _label(label: Label) -> str:
    return WORDS.get(label) or f"{label[0]}: {label[1]}"


def _moved(one: Moved) -> str:
    return " → ".join(_label((side.step, side.reason)) for side in (one.first, one.second))


def _columns(rows: list[tuple[str, str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(2)]
    return [f"  {name.ljust(widths[0])}  {count.rjust(widths[1])}" for name, count in rows]


def _text(record: dict[str, Any]) -> str:
    """The question of a record, however deep it lies."""
    while isinstance(record.get("trace") or record.get("prompt"), dict):
        record = record.get("trace") or record["prompt"]
    return beginning(record) or "(text withheld; --private shows it)"
