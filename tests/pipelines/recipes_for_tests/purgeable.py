"""Pages of several hosts through every kind of step that keeps what it has seen: drops that quote others, dead letters of whole groups,
prompts merged of two hosts, near copies, a teacher that restates the question. The file needs nothing beside it."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from yisang.filters.duplicates import exact_key, keep_first, survivor_order
from yisang.pipelines.curate import Corpus, ToExample
from yisang.pipelines.recipe import Recipe
from yisang.pipelines.stages.dedup import NearDuplicates
from yisang.pipelines.stages.teach import Teach
from yisang.pipelines.steps import Each, Group
from yisang.records import Drop, Licence, Page, Prompt, Record, child_id, content_id
from yisang.sources.warc import Warc
from yisang.teachers.generation import Teacher
from yisang.teachers.prompts import MixedPrompt

FREE = Licence(id="CC0-1.0", letter="A", evidence="written for the tests")


def number(record: Prompt) -> int:
    return int(re.findall(r"[0-9]+", record.text)[0])


def questions(page: Page) -> list[Record]:
    """Each line that begins with Q, after the first, which is a menu."""
    lines = [line[2:] for line in page.body.decode().splitlines() if line.startswith("Q ")]
    return [
        Prompt(id=child_id(page.id, place), text=line, language="ko", url=page.url, licence=page.licence, category="c")
        for place, line in enumerate(lines)
    ]


def long_enough(prompt: Prompt) -> Prompt | Drop:
    return prompt if number(prompt) % 9 else Drop("ninth", {"said": prompt.text[:40]})


def picky(prompt: Prompt) -> Prompt:
    if number(prompt) % 11 == 0:
        raise ValueError(f"cannot read: {prompt.text}")
    return prompt


def shade(prompt: Prompt) -> tuple[str, ...]:
    return (f"s{number(prompt) % 4}", f"t{number(prompt) % 3}")


def not_the_seventh(members: Iterator[Prompt]) -> Iterator[Prompt | Drop]:
    """A drop of one host quotes what another one said."""
    before: Prompt | None = None
    for member in members:
        if number(member) % 7 == 0 and before is not None:
            said = {"before": before.id, "it_said": before.text[:20], "seen": [before.url], "length": len(before.text)}
            yield Drop("seventh", said, record=member)
        else:
            yield member
        before = member


def twins(members: Iterator[Prompt]) -> Iterator[Prompt]:
    """Prompts of two hosts become one; a group of four fails, and its dead letters name each other."""
    found = list(members)
    if len(found) > 3:
        raise ValueError(f"too many alike: {[member.id for member in found]}, such as {found[0].text}")
    if len(found) == 1:
        yield found[0]
        return
    merged = tuple(member.id for member in found)
    text = found[0].text + " / " + found[-1].text
    yield msgspec.structs.replace(found[0], id=content_id("merged", *merged), parents=merged, text=text)


def near(prompt: Prompt) -> str:
    return str(number(prompt) // (5 if number(prompt) < 340 else 10)) if number(prompt) >= 300 else prompt.id


def measured(prompt: Prompt) -> dict[str, str | int]:
    return {"long": len(prompt.text)}


def build(inputs: str) -> Recipe:
    return Recipe(
        "purgeable",
        "1",
        Warc(inputs, licence=FREE, name="web"),
        (
            Each(questions, on=Page),
            Each(long_enough),
            Each(picky),
            Group(exact_key, keep_first, order=survivor_order, name="exact_duplicates"),
            NearDuplicates(threshold=0.7, name="near_duplicates"),
            Group(shade, not_the_seventh, several_keys=True, name="shades"),
            Group(near, twins, name="twins"),
            Each(measured, keep=True),
            Teach(Teacher(engine="echo", model="echo", revision="1"), MixedPrompt("ko"), samples=2, name="teach"),
            Each(ToExample()),
        ),
        Corpus("Purgeable", "ko", description="Questions of the tests."),
        max_dead=0.5,
    )
