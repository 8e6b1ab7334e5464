"""The data card of a corpus: front matter that the Hub reads, and prose of which every number is counted in the run."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from yisang.pipelines.books import Books, StepBooks
from yisang.pipelines.constants import arguments
from yisang.pipelines.publish_decontaminated import Decontamination, decontaminations
from yisang.pipelines.publish_survey import Survey
from yisang.pipelines.views import VIEWS
from yisang.storage import Folder

SHOWN_ROWS = 40
"""Longer tables end in a line that says how many more there are."""

_CC = ["by", "by-sa", "by-nc", "by-nd", "by-nc-sa", "by-nc-nd"]
KNOWN_LICENCES = frozenset(
    [
        *(f"cc-{kind}-{version}" for kind in _CC for version in ("3.0", "4.0")),
        *("cc0-1.0", "cc-by-2.0", "cc-by-2.5", "apache-2.0", "mit", "unlicense", "odc-by", "odbl", "pddl", "gfdl"),
    ]
)
"""Licence identifiers that the Hub accepts on a card and that a text may carry."""

_VIEWS = {
    "messages": "`id`, `messages` (a list of `role` and `content`), category and licence: for chat training",
    "instruction": "`id`, `instruction`, `response`, category and licence: for trainers that take two columns",
    "full": "all that is known of a row: parts, provenance, licence evidence, teacher, every measure and verdict",
}


@dataclass(frozen=True)
class About:
    """What `recipe.json` says of the corpus. language: "" where the recipe's sink is not on record."""

    recipe: str
    version: str
    fingerprint: str
    yisang: str
    revision: str
    why: str
    title: str
    language: str
    description: str
    licence: str
    decontaminations: tuple[Decontamination, ...] = ()

    @classmethod
    def of(cls, out: Folder) -> About:
        stored: dict[str, Any] = json.loads(out.read_bytes("recipe.json"))
        sink: dict[str, Any] = stored.get("sink") or {}
        plain = {
            name: str(stored.get(name, ""))
            for name in ("recipe", "version", "fingerprint", "yisang", "revision", "why")
        }
        return cls(
            **plain,
            title=sink.get("title") or plain["recipe"],
            language=sink.get("language", ""),
            description=sink.get("description", ""),
            licence=sink.get("licence", "other"),
            decontaminations=tuple(decontaminations(out)),
        )


def make_card(about: About, survey: Survey, books: Books, *, repo: str | None, private: bool) -> str:
    """The text of README.md."""
    parts = [
        _front_matter(about, survey),
        f"# {about.title}",
        about.description,
        _warning(survey) if private else "",
        _what_it_is(survey),
        _loading(repo),
        _contents(survey),
        making(about, books),
        decontamination(about),
        _teachers(survey),
        _measures(survey),
        _licences(survey),
    ]
    return "\n\n".join(part.strip() for part in parts if part.strip()) + "\n"


def _front_matter(about: About, survey: Survey) -> str:
    return front_matter(
        VIEWS,
        language=languages(about, survey.language) or None,
        license=licence_of_all(about, survey.licence),
        pretty_name=about.title,
        tags=["reasoning", "chain-of-thought", "language-mixed", "synthetic", "yisang"],
        task_categories=["text-generation"],
        size_categories=[size_category(survey.rows)],
    )


def front_matter(views: Sequence[str], **told: Any) -> str:
    """What the Hub reads: a configuration for each view, the first of them by default, and what else is told."""
    from huggingface_hub import DatasetCardData

    configs: list[dict[str, Any]] = [
        {"config_name": view, "data_files": [{"split": "train", "path": f"{view}/train-*.parquet"}]} for view in views
    ]
    configs[0]["default"] = True
    return f"---\n{DatasetCardData(**told, configs=configs).to_yaml()}\n---"


def languages(about: About, spoken: Counter[str]) -> list[str]:
    """The target language, then those of the questions, most frequent first, as the ISO 639 codes that the Hub takes."""
    counted = sorted(spoken, key=lambda code: (-spoken[code], code))
    codes = [code.replace("_", "-").split("-")[0].lower() for code in (about.language, *counted)]
    return list(dict.fromkeys(code for code in codes if code.isascii() and code.isalpha() and len(code) in (2, 3)))


def licence_of_all(about: About, licences: Counter[tuple[str, str]]) -> str:
    """What the recipe declares; without a declaration the licence of the rows, where all have one that the Hub knows."""
    found = {id_.lower() for _, id_ in licences}
    if about.licence == "other" and len(found) == 1 and found <= KNOWN_LICENCES:
        return found.pop()
    return about.licence.lower()


def size_category(rows: int) -> str:
    """The Hub's name for a number of rows."""
    edges = [
        (10**3, "1K"),
        (10**4, "10K"),
        (10**5, "100K"),
        (10**6, "1M"),
        (10**7, "10M"),
        (10**8, "100M"),
        (10**9, "1B"),
    ]
    below = "n<1K"
    for (edge, name), (_, following) in zip(edges, [*edges[1:], (10**10, "10B")], strict=True):
        if rows >= edge:
            below = f"{name}<n<{following}"
    return below


def _warning(survey: Survey) -> str:
    closed = survey.rows - survey.letter["A"]
    return (
        f"**Private: not for redistribution.** {counted_rows(closed)} of {survey.rows:,} may be trained on and not passed on "
        "(`licence_letter` is not A)."
    )


def _what_it_is(survey: Survey) -> str:
    teachers = sorted({name for name, *_ in survey.teacher})
    languages = ", ".join(f"{code} ({count:,})" for code, count in by_count(survey.language))
    return (
        f"{counted_rows(survey.rows)}. Each is a question and an answer with its reasoning, the answer written by "
        f"{', '.join(f'`{name}`' for name in teachers)}. {survey.changes.told()} Languages of the questions: {languages}. Every row names the "
        "page, the licence, the prompt version and the teacher that it came from."
    )


def _loading(repo: str | None) -> str:
    address = repo or "path/of/this/folder"
    views = "\n".join(f"- `{view}`: {_VIEWS[view]}" for view in VIEWS)
    code = (
        f'from datasets import load_dataset\n\nrows = load_dataset("{address}", "{VIEWS[0]}", split="train")\n'
        f'rows = load_dataset("{address}", "{VIEWS[-1]}", split="train", streaming=True)'
    )
    return (
        f"## How to load it\n\n```python\n{code}\n```\n\nThe same rows, in the same order, in three views:\n\n{views}"
    )


def _contents(survey: Survey) -> str:
    categories = table(["category", "rows"], [[name or "(none)", count] for name, count in by_count(survey.category)])
    licences = table(
        ["letter", "licence", "rows"],
        [[letter, id_, survey.licence[letter, id_]] for letter, id_ in sorted(survey.licence)],
    )
    sources = table(
        ["source", "letter", "licence", "rows"],
        [[name or "(none)", letter, id_, count] for (name, letter, id_), count in by_count(survey.source)],
    )
    return f"## What is in it\n\n{categories}\n\n{licences}\n\n{sources}"


def making(about: About, books: Books) -> str:
    facts = [
        ["recipe", about.recipe],
        ["version", about.version],
        ["fingerprint", f"`{about.fingerprint}`"],
        ["yisang", about.yisang],
        ["revision of the recipe", f"`{about.revision}`" if about.revision else "(not under version control)"],
    ]
    funnel = table(
        ["step", "in", "born", "dropped", "dead", "kept", "dropped for"],
        [[s.name, s.taken, s.born, sum(s.dropped.values()), s.dead, s.kept, _reasons(s)] for s in books.steps],
        shown=len(books.steps),
    )
    return (
        f"## How it was made\n\n{about.why}\n\n{table(['', ''], facts)}\n\n"
        "In each line, in + born = kept + dropped + dead; born are the children that a step made beyond one for one.\n\n"
        f"{funnel}"
    )


def _reasons(step: StepBooks) -> str:
    return ", ".join(f"{reason}: {count:,}" for reason, count in by_count(Counter(step.dropped)))


_COMPARED = (
    "language",
    "analyser",
    "version",
    "n",
    "raw_n",
    "raw_units",
    "whole_min",
    "directives",
    "stop_prompts",
    "stop_items",
)


def decontamination(about: About) -> str:
    """Against which benchmarks, how, and what each of them removed."""
    if not about.decontaminations:
        return (
            "## Decontamination\n\nThis corpus was not decontaminated: no step of its recipe compares it with a benchmark, so it may hold "
            "questions of one."
        )
    return "\n\n".join(["## Decontamination", *map(_compared, about.decontaminations)])


def _compared(step: Decontamination) -> str:
    passes = step.constants["passes"]
    rows = []
    for whole in (row for row in step.removed if not row["pass"]):
        own = {row["pass"]: row["records"] for row in step.removed if row["benchmark"] == whole["benchmark"]}
        rows.append([whole["benchmark"], whole["items"], whole["records"], *(own[name] for name in passes)])
    head = ["benchmark", "items", "records removed", *(f"by the pass {name}" for name in passes)]
    given = {name: step.constants[name] for name in _COMPARED if name in step.constants}
    return (
        f"Step `{step.step}` compared {step.read:,} records with the benchmarks and removed {step.all_removed:,}. A record that several "
        f"benchmarks or passes find counts for each of them.\n\n{table(head, rows, shown=len(rows))}\n\n"
        f"How texts were compared (`yisang.filters.contamination` says what each word means): {arguments(given)}."
    )


def _teachers(survey: Survey) -> str:
    rows = [
        [name, revision, version or "(none)", f"`{sampling}`", count]
        for (name, revision, version, sampling), count in by_count(survey.teacher)
    ]
    note = "Seeds are left out here; column `sampling` of view `full` has them."
    return f"## Teacher\n\n{table(['model', 'revision', 'prompt version', 'sampling', 'rows'], rows)}\n\n{note}"


def _measures(survey: Survey) -> str:
    if not survey.types:
        return ""
    parts = ["## Measures and verdicts", "Columns of view `full`; null where a row lacks one."]
    if survey.definition:
        parts.append(
            "Of what a share was taken, as stored in the rows (what is counted / out of what - what was cut first):"
        )
        parts.append(
            table(["column", "definition", "rows"], [[*key, count] for key, count in by_count(survey.definition)])
        )
    if survey.share:
        spans = [
            [name, s.rows, *(f"{x:.3f}" for x in (s.low, s.mean, s.high))] for name, s in sorted(survey.share.items())
        ]
        parts.append(table(["share", "rows", "least", "mean", "most"], spans))
    if survey.verdict:
        verdicts = [[*key, survey.verdict[key]] for key in sorted(survey.verdict)]
        parts.append(table(["verdict", "value", "rows"], verdicts))
    return "\n\n".join(parts)


def _licences(survey: Survey) -> str:
    parts = [
        "## Licence and attribution",
        "Each row keeps the licence of its source: `licence` (its identifier), `licence_letter` (A may be redistributed, B may "
        "be trained on and not passed on), and in view `full` the evidence, its date and the page.",
    ]
    if survey.attributed:
        parts.append(
            f"{counted_rows(survey.attributed)} must name an author: whoever passes them on keeps column `attribution` of view "
            "`full`, with `url` and `licence`."
        )
    if survey.share_alike:
        parts.append(
            f"{counted_rows(survey.share_alike)} are share-alike (column `share_alike` of view `full`): changed copies of them must "
            "be passed on under the same licence."
        )
    return "\n\n".join(parts)


def counted_rows(count: int) -> str:
    return f"{count:,} row" if count == 1 else f"{count:,} rows"


def by_count(counter: Counter[Any]) -> list[tuple[Any, int]]:
    """The largest first; equal ones by name, so that the order of rows never shows."""
    return sorted(counter.items(), key=lambda item: (-item[1], item[0]))


def table(head: list[str], rows: Iterable[list[Any]], shown: int = SHOWN_ROWS) -> str:
    rows = list(rows)
    lines = [head, ["---"] * len(head), *rows[:shown]]
    if len(rows) > shown:
        lines.append([f"and {len(rows) - shown:,} more", *[""] * (len(head) - 1)])
    return "\n".join(f"| {' | '.join(_cell(value) for value in line)} |" for line in lines)


def _cell(value: Any) -> str:
    text = f"{value:,}" if isinstance(value, int) else str(value)
    return " ".join(text.replace("|", "\\|").split())
