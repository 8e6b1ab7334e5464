"""What a person asks of a run: its books, and where one record went."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import msgspec
import pyarrow.compute as pc
import pyarrow.parquet as pq

from yisang.errors import UsageError
from yisang.pipelines.books import Books
from yisang.pipelines.boundary import Boundary, Part
from yisang.storage import Folder, read_json


def books_json(books: Books) -> dict[str, Any]:
    """The books as `yisang show --json` prints them: counts alone, so that equal runs print equal bytes.

    (The fingerprint holds the inputs' modification times, so it is left out.)
    """
    steps = [
        {
            "name": step.name,
            "in": step.taken,
            "born": step.born,
            "kept": step.kept,
            "dropped": step.dropped,
            "dead": step.dead,
            **({"notes": list(step.notes)} if step.notes else {}),
        }
        for step in books.steps
    ]
    return {
        "recipe": books.recipe,
        "version": books.version,
        "sources": [msgspec.to_builtins(source) for source in books.sources],
        "steps": steps,
        "totals": {"kept": books.kept, "category": books.category, "licence": books.licence},
    }


def books_text(books: Books) -> str:
    """The funnel as a table."""
    head = ("step", "in", "born", "kept", "dropped", "dead", "why dropped")
    rows: list[tuple[str, ...]] = [head]
    for step in books.steps:
        reasons = ", ".join(
            f"{name} {count}" for name, count in sorted(step.dropped.items(), key=lambda i: (-i[1], i[0]))
        )
        numbers = (step.taken, step.born, step.kept, sum(step.dropped.values()), step.dead)
        rows.append((step.name, *(f"{number:,}" for number in numbers), reasons))
    widths = [max(len(row[column]) for row in rows) for column in range(6)]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0]), *(row[column].rjust(widths[column]) for column in range(1, 6)), row[6]]
        lines.append("  ".join(cells).rstrip())
    lines.insert(1, "-" * max(map(len, lines)))
    for source in books.sources:
        counted = "no independent count" if source.counted is None else f"{source.counted:,} by an independent count"
        passed = "".join(f", {count:,} {what} passed over" for what, count in source.passed_over.items())
        lines.append(f"source {source.name}: {source.read:,} read, {counted}{passed}")
    for step in books.steps:
        lines += [f"{step.name}: {note}" for note in step.notes]
    for title, counts in (("category", books.category), ("licence", books.licence)):
        kept = ", ".join(f"{name or '(none)'} {count:,}" for name, count in counts.items())
        lines.append(f"kept by {title}: {kept or 'nothing'}")
    return "\n".join(lines)


def phases_of(address: str) -> tuple[Folder, list[Boundary]]:
    """The phases of a run, finished or not, in order. Raises UsageError for what is no run folder."""
    out = Folder(address)
    if not out.exists("recipe.json"):
        state = "is no run folder" if out.exists() else "does not exist"
        raise UsageError(f"{address} {state}. Run a recipe first: yisang run RECIPE --out {address}")
    described = read_json(out, "recipe.json", dict[str, Any])
    return out, [Boundary(out, phase["name"]) for phase in described["phases"]]


def trace_record(address: str, identifier: str, private: bool = False) -> list[dict[str, Any]]:
    """Where a record and its children were seen, in the order of the run, which need not be finished.

    Each entry has `phase`, `id` and `what`: stored, dropped (with step, reason, evidence) or dead (with step and error).
    Raises UsageError when the id is nowhere in the run.
    """
    out, boundaries = phases_of(address)
    seen: list[dict[str, Any]] = []
    for boundary in boundaries:
        found = boundary.so_far()
        for part in found.parts("records"):
            for row in _rows(boundary, part, identifier, ["id"]):
                seen.append({"phase": boundary.name, "id": row["id"], "what": "stored"})
        for role, what in (("drops", "dropped"), ("dead", "dead")):
            for part in found.parts(role):
                for row in _rows(boundary, part, identifier, None):
                    seen.append({"phase": boundary.name, "what": what, **readable(row, private)})
    if not seen:
        raise UsageError(
            f"No record {identifier} in {out.address}. Ids stand in the `id` column of the run's Parquet files; "
            f"`yisang show {address} --drops 20` prints some."
        )
    return seen


def _rows(boundary: Boundary, part: Part, identifier: str, columns: list[str] | None) -> Iterator[dict[str, Any]]:
    """The rows of the record and of what was made of it (`id/0`, `id/0/1`)."""
    with boundary.open(part) as opened, pq.ParquetFile(opened) as file:
        for group in range(file.num_row_groups):
            ids = file.read_row_group(group, columns=["id"]).column("id")
            hits = pc.or_(pc.equal(ids, identifier), pc.starts_with(ids, f"{identifier}/"))
            if pc.any(hits).as_py():
                yield from file.read_row_group(group, columns=columns).filter(hits).to_pylist()


def rejected(address: str, role: str, limit: int, private: bool = False, reason: str = "") -> Iterator[dict[str, Any]]:
    """The first `limit` drops (or dead letters) of a run, finished or not, in the order of its phases.

    reason: only drops of this reason.
    Of a record that may not be redistributed only the place is told, unless `private`.
    """
    _, boundaries = phases_of(address)
    for boundary in boundaries:
        for part in boundary.so_far().parts(role):
            with boundary.open(part) as opened, pq.ParquetFile(opened) as file:
                for batch in file.iter_batches(batch_size=100):
                    for row in batch.to_pylist():
                        if limit <= 0:
                            return
                        if reason and row.get("reason") != reason:
                            continue
                        limit -= 1
                        yield {"phase": boundary.name, **readable(row, private)}


PLACE = ("id", "url", "final_url", "source", "category", "kind", "licence", "status")
"""What is told of a record whose text may not leave."""


def readable(row: dict[str, Any], private: bool) -> dict[str, Any]:
    """A stored row with its JSON parts as values, and the bytes of a page as their number."""
    record = json.loads(row["record"]) if row.get("record") else None
    if record and row.get("licence_letter") != "A" and not private:
        record = {name: record[name] for name in PLACE if name in record}
    if record and record.get("body"):
        record["body"] = f"({len(record['body']) * 3 // 4:,} bytes)"
    found = {**row, "record": record}
    if "evidence" in row:
        found["evidence"] = json.loads(row["evidence"])
    if row.get("licence_letter") not in ("A", "", None) and not private:
        # They may quote the text that is withheld.
        for name in ("message", "traceback", "evidence"):
            if found.get(name):
                found[name] = _without_texts(found[name])
    return found


def _without_texts(value: Any) -> Any:
    """Numbers, truth values and ids as they are, texts withheld."""
    if isinstance(value, dict):
        return {key: _without_texts(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_texts(item) for item in value]
    return "(withheld; --private shows it)" if isinstance(value, str) and not _ID.fullmatch(value) else value


_ID = re.compile(r"[0-9a-f]{32}(/\d+)*")


def rejection_line(row: dict[str, Any]) -> str:
    """A drop or a dead letter in one line for a person."""
    record = row["record"] or {}
    what = f"{row['reason']} {json.dumps(row['evidence'], ensure_ascii=False)}" if "reason" in row else row["error"]
    said = f" ({row['message']})" if row.get("message") else ""
    shown = f"  {text}" if (text := beginning(record)) else ""
    return f"{row['step']}: {what}{said}  {row['id'] or row.get('where', '')}{shown}"


def beginning(record: dict[str, Any]) -> str:
    """How the text of a stored record begins, or its address; "" where there is none, or it is withheld."""
    text = " ".join(str(record.get("text") or record.get("url") or "").split())
    return f"{text[:70]}…" if len(text) > 70 else text
