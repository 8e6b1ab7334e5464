"""The data card of `yisang publish --for rl`: what the rows are, how hard, and what was left out, all counted."""

from __future__ import annotations

import inspect
from collections import Counter
from dataclasses import asdict, dataclass, field

from yisang.grading import DEFAULTS
from yisang.pipelines.books import Books
from yisang.pipelines.publish_card import (
    About,
    by_count,
    counted_rows,
    decontamination,
    front_matter,
    languages,
    licence_of_all,
    making,
    size_category,
    table,
)
from yisang.pipelines.publish_changes import Changes
from yisang.pipelines.rl_questions import LEFT_OUT, SCHEMA, VIEW, Question


@dataclass
class Counts:
    """What the card tells of the rows."""

    rows: int = 0
    language: Counter[str] = field(default_factory=Counter)
    kind: Counter[str] = field(default_factory=Counter)
    category: Counter[str] = field(default_factory=Counter)
    letter: Counter[str] = field(default_factory=Counter)
    licence: Counter[tuple[str, str]] = field(default_factory=Counter)
    source: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    pass_rate: Counter[str] = field(default_factory=Counter)
    attributed: int = 0
    share_alike: int = 0
    changes: Changes = field(default_factory=Changes)
    left_out: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, row: Question) -> None:
        self.rows += 1
        self.language[row.language] += 1
        self.kind[row.kind] += 1
        self.category[row.category] += 1
        self.letter[row.licence_letter] += 1
        self.licence[row.licence_letter, row.licence] += 1
        self.source[row.source, row.licence_letter, row.licence] += 1
        self.pass_rate[band(row.pass_rate)] += 1
        self.attributed += bool(row.attribution)
        self.share_alike += row.share_alike
        self.changes.add(row.changes)


def band(rate: float | None) -> str:
    """The line of the card's table of pass rates that a rate belongs to."""
    if rate is None:
        return "not measured"
    if rate in (0, 1):
        return f"{rate:.0f}"
    lowest = min(int(rate * 4), 3) / 4
    return f"{lowest:g} to {lowest + 0.25:g}"


def make_card(about: About, counts: Counts, books: Books, *, repo: str | None, private: bool) -> str:
    """The text of README.md."""
    parts = [
        _front_matter(about, counts),
        f"# {about.title}: questions for RL",
        about.description,
        _warning(counts) if private else "",
        _what_it_is(counts),
        _loading(repo),
        _contents(counts),
        _left_out(counts),
        making(about, books),
        decontamination(about),
        _licences(counts),
    ]
    return "\n\n".join(part.strip() for part in parts if part.strip()) + "\n"


def _front_matter(about: About, counts: Counts) -> str:
    return front_matter(
        [VIEW],
        language=languages(about, counts.language) or None,
        license=licence_of_all(about, counts.licence),
        pretty_name=f"{about.title}: questions for RL",
        tags=["reasoning", "reinforcement-learning", "verifiable", "yisang"],
        task_categories=["text-generation"],
        size_categories=[size_category(counts.rows)],
    )


def _warning(counts: Counts) -> str:
    closed = counts.rows - counts.letter["A"]
    return (
        f"**Private: not for redistribution.** {counted_rows(closed)} of {counts.rows:,} may be trained on and not passed on "
        "(`licence_letter` is not A)."
    )


def _what_it_is(counts: Counts) -> str:
    spoken = ", ".join(f"{code} ({count:,})" for code, count in by_count(counts.language))
    settings = ", ".join(f"{name}={value!r}" for name, value in asdict(DEFAULTS).items())
    return (
        f"{counted_rows(counts.rows)}, each a question and a gold that its own grader accepts, one row for a "
        f"question. {counts.changes.told()} Languages: {spoken}. Golds were graded by `yisang.grading` with {settings}."
    )


def _loading(repo: str | None) -> str:
    address = repo or "path/of/this/folder"
    columns = ", ".join(f"`{name}`" for name in SCHEMA.names)
    code = (
        f'from datasets import load_dataset\n\nrows = load_dataset("{address}", "{VIEW}", split="train")\n\n'
        "from yisang.grading import grade\nfrom yisang.pipelines.rl_questions import from_row\n\n"
        'question = from_row(rows[0])\ngrade(question.prompt(), "The answer is \\\\boxed{7}.").verdict'
    )
    told = inspect.cleandoc(Question.__doc__ or "").split("\n\n", 1)[1]
    return f"## How to load it\n\n```python\n{code}\n```\n\nColumns: {columns}.\n\n```text\n{told}\n```"


def _contents(counts: Counts) -> str:
    parts = ["## What is in it"]
    for name, counter in (("kind", counts.kind), ("category", counts.category), ("pass rate", counts.pass_rate)):
        parts.append(table([name, "rows"], [[label or "(none)", count] for label, count in by_count(counter)]))
    sources = [[name or "(none)", letter, id_, count] for (name, letter, id_), count in by_count(counts.source)]
    parts.append(table(["source", "letter", "licence", "rows"], sources))
    return "\n\n".join(parts)


def _left_out(counts: Counts) -> str:
    if not counts.left_out:
        return ""
    rows = [[reason, detail, count] for (reason, detail), count in by_count(counts.left_out)]
    return (
        f"## What was left out\n\n{counts.left_out.total():,} questions of the run are no rows. `{LEFT_OUT}` lists their ids.\n\n"
        f"{table(['reason', 'by the grader', 'questions'], rows)}"
    )


def _licences(counts: Counts) -> str:
    parts = [
        "## Licence and attribution",
        "Each row keeps the licence of its question: `licence`, `licence_letter` (A may be redistributed, B may be trained on and "
        "not passed on), the evidence, its date and the page.",
    ]
    if counts.attributed:
        parts.append(
            f"{counted_rows(counts.attributed)} must name an author: whoever passes them on keeps `attribution`, `url` and `licence`."
        )
    if counts.share_alike:
        parts.append(
            f"{counted_rows(counts.share_alike)} are share-alike: changed copies of them must be passed on under the same licence."
        )
    return "\n\n".join(parts)
