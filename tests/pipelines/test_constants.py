"""`yisang plan` shows every constant of every step: whoever reads it need not read the recipe's code to know what will be done."""

from __future__ import annotations

import dataclasses
import functools
import re
import types
from collections.abc import Iterator
from enum import Enum
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec
import pytest
from recipes_for_tests.helpers import loaded
from stages.recipes.command import write_rows

from yisang.filters.best_of import Agreement, BestOf, PassRate
from yisang.filters.cot import AnswerLanguage, Finish, Structure, ThinkShare, TokenLimit
from yisang.filters.directives import ShowOptions, StyleDirective
from yisang.filters.duplicates import exact_key, keep_first, survivor_order
from yisang.filters.grade import GoldPasses, Grade, ProveGold, VerifyTask
from yisang.filters.keep import Keep
from yisang.filters.language import MinShare, TargetShare
from yisang.filters.length import Length
from yisang.filters.licence import AllowLicence, TagSite, licence
from yisang.filters.pii import MaskPii, Pii
from yisang.filters.quota import HashOrder, Quota, category
from yisang.filters.quotes import KeptQuotes
from yisang.filters.refusal import Refusal
from yisang.filters.repetition import Repetition
from yisang.filters.switches import Switches
from yisang.filters.task import RecogniseTask
from yisang.filters.translation import TranslationBounds
from yisang.filters.trit import TritRepetition
from yisang.filters.unfinished import Unfinished
from yisang.grading import GradeSettings
from yisang.pipelines.curate import Corpus, ToExample
from yisang.pipelines.phases import Setting
from yisang.pipelines.planning import plan_text, recipe_plan
from yisang.pipelines.recipe import Recipe
from yisang.pipelines.stages.benchmarks import Question, Questions
from yisang.pipelines.stages.decontaminate import Decontaminate
from yisang.pipelines.stages.dedup import NearDuplicates
from yisang.pipelines.stages.options import MergeOptions
from yisang.pipelines.stages.teach import Teach
from yisang.pipelines.stages.translate import Translate
from yisang.pipelines.steps import Batch, Each, Group, Step
from yisang.records import Page, Prompt
from yisang.sources import Csv, JsonLines
from yisang.sources.exams import Exams
from yisang.sources.questions import PageToPrompts
from yisang.sources.rights.licences import TagLicence
from yisang.sources.rights.steps import HeedOptOut
from yisang.sources.tasks import Tasks
from yisang.sources.warc import Warc
from yisang.teachers.generation import Sampling, Teacher
from yisang.teachers.prompts import MixedPrompt
from yisang.teachers.strategies import Escalate, Retry, ThinkingBudget
from yisang.teachers.translation import TranslationPrompt

TERMS = licence("CC-BY-4.0", "page of terms", "2026-02-03")
SCRIPTED = Teacher(engine="scripted", model="scripted", revision="2;lost_option=0.0123;seed=4", licence=TERMS)
LARGE = Teacher(engine="echo", model="echo", revision="17")
REGISTRY = files("yisang.quickstart") / "webs" / "ko" / "sites.toml"
SETTINGS = GradeSettings(box="last", fallback=("marker",), rounding=5, seconds=4.25)


@dataclasses.dataclass(frozen=True)
class Inner:
    low: float
    table: dict[str, tuple[int, ...]]
    nothing: None = None
    on: bool = True


class Side(Enum):
    LEFT = 1
    RIGHT = 2


@dataclasses.dataclass(frozen=True)
class OfEverything:
    """A step of a recipe's own, with a field of each kind that a constant may be."""

    inner: Inner
    names: frozenset[str]
    pattern: re.Pattern[str]
    side: Side
    made: Any
    kind: type
    place: Path
    deep: tuple[tuple[Inner, ...], ...]
    empty: tuple[str, ...] = ()
    text: str = "two words, and a comma"
    number_like: str = "0.5"
    none_like: str = "None"

    def __call__(self, prompt: Prompt) -> Prompt:
        return prompt


def shorter(prompt: Prompt, least: int = 47) -> Prompt:
    return prompt


def count(prompts: list[Prompt]) -> list[dict[str, int]]:
    return [{"n": 1} for _ in prompts]


def steps(folder: Path) -> tuple[Step, ...]:
    held_out = JsonLines(
        paths=str(write_rows(folder / "held.jsonl", ["한 질문"])), text="text", language="ko", name="held"
    )
    return (
        Each(PageToPrompts("ko"), on=Page, isolate=True, timeout=21.5, keep=True, name="asked"),
        Each(HeedOptOut("quietbot"), on=Page),
        Each(TagSite(str(REGISTRY))),
        Each(TagLicence(str(REGISTRY)), on=Page),
        Each(AllowLicence(("B", "A"))),
        Each(
            OfEverything(
                Inner(0.111, {"law": (3, 4)}),
                frozenset(["eins", "zwei"]),
                re.compile("a+b", re.IGNORECASE),
                Side.RIGHT,
                functools.partial(shorter, least=48),
                Prompt,
                Path("some/place"),
                ((Inner(0.222, {}, on=False),),),
            ),
            name="own",
        ),
        Each(shorter),
        Each(TargetShare("ko", denominator="nonspace", scope="text", strip=("code",))),
        Each(MinShare(0.31)),
        Each(Length(51, 8191)),
        Each(MaskPii("ko", ("email",))),
        Each(RecogniseTask(("ko", "en"))),
        Each(GoldPasses("ko", SETTINGS, open=True)),
        Each(ProveGold("ko", SETTINGS)),
        Batch(count, 63, on=Prompt),
        Group(
            functools.partial(exact_key, collapse=False),
            keep_first,
            order=survivor_order,
            several_keys=False,
            name="copies",
        ),
        NearDuplicates(threshold=0.83, shingle=6, permutations=96, seed=5, order=survivor_order, name="near"),
        MergeOptions(
            "ko",
            most=7,
            neighbours=19,
            least=0.07,
            k1=1.6,
            b=0.74,
            near=None,
            share=0.53,
            beside=True,
            without=("statements",),
            salt="grain",
        ),
        Each(StyleDirective("ko", share=0.37, salt="pepper")),
        Each(ShowOptions()),
        Translate(
            SCRIPTED,
            Sampling(temperature=0.41, top_k=33, thinking=False),
            source="en",
            target="ko",
            bounds=TranslationBounds(0.47, 0.18, 23, 0.19, 1.07, 43),
            placement="first_turn",
            attempts=3,
            name="translated",
        ),
        Teach(
            SCRIPTED,
            MixedPrompt("ko", "mixed", "first_turn", instruction="생각을 섞어 쓰시오. " * 30),
            Sampling(temperature=0.61, top_p=0.94, top_k=21, min_p=0.013, max_tokens=777, thinking=True, seed=12),
            samples=2,
            strategy=Escalate(
                LARGE,
                (Structure(), Keep(verdicts={"structure": ("one", "none")})),
                Retry((Finish(),), 5),
                ThinkingBudget(99, 98, "Time is up."),
            ),
            name="taught",
        ),
        Each(Finish()),
        Each(Structure()),
        Each(ThinkShare("ko", 0.06, 0.21, denominator="letters", strip=("latex",))),
        Each(AnswerLanguage("ko", 0.32, 0.52)),
        Each(TokenLimit(16383)),
        Each(Grade("ko", SETTINGS)),
        Each(VerifyTask()),
        Each(
            Keep(verdicts={"finish": ("stop", "length")}, measures={"think_target_share": (0.051, None)}), name="kept"
        ),
        Each(Unfinished("ko", 31)),
        Each(Refusal("ko", opening=201)),
        Each(Repetition(lines=7, covered=121)),
        Each(TritRepetition()),
        Each(Pii("ko", ("phone",))),
        Each(Switches("ko", least=3)),
        Each(KeptQuotes("ko", most=101)),
        Group(category, Agreement("ko", SETTINGS), name="agree"),
        Group(category, PassRate("grade", passed=("correct",)), name="rated"),
        Group(category, BestOf(("agreement",), 2), name="best"),
        Group(category, Quota({"Math": 2001, "Law": 17}, default=41), order=HashOrder("quoted"), name="quota"),
        Decontaminate(
            (held_out, Questions("given", (Question("q", "무엇인가?", ("하나", "둘")),))),
            language="ko",
            n=12,
            raw_n=14,
            raw_units="characters",
            whole_min=33,
            passes=("segmented", "digitless"),
            directives=("답만 쓰시오",),
            directive_measure="told",
            stop_prompts=None,
            stop_items=11,
            name="clean",
        ),
        Each(ToExample(0.75)),
    )


KNOWN_OTHERWISE = {
    ("TagSite", "registry_path"): "a registry is known by its bytes, wherever it lies: its digest is shown",
    ("TagLicence", "registry_path"): "a registry is known by its bytes, wherever it lies: its digest is shown",
    ("Teacher", "engine"): "the same model in another engine gives the same answers",
    ("Teacher", "options"): "of the engine",
    ("Questions", "items"): "a digest of all of them is shown",
    ("ThinkingBudget", "teachers"): "it asks no other",
    ("Once", "teachers"): "it asks no other",
}
"""Fields that bear no identity by their values, and why."""
SAID_AS = {("Pii", "language"): "languages", ("MaskPii", "language"): "languages"}
"""Fields that are said under another name: with English, whose shapes count too."""


def constants(value: Any, inside: str = "", benchmark: bool = False) -> Iterator[tuple[str, str, Any]]:
    """(class, field, value) of all fields that somebody gives, down to numbers, texts and functions."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        for item in dataclasses.fields(value):
            known = (type(value).__name__, item.name) in KNOWN_OTHERWISE or (benchmark and item.name == "paths")
            if item.init and not known:
                own = benchmark or item.name == "benchmarks"
                yield from of_field(type(value).__name__, item.name, getattr(value, item.name), own)
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            if (type(value).__name__, name) not in KNOWN_OTHERWISE:
                yield from of_field(type(value).__name__, name, getattr(value, name), benchmark)
    elif isinstance(value, list | tuple | set | frozenset):
        for member in value:
            yield from constants(member, inside, benchmark)


def of_field(inside: str, name: str, value: Any, benchmark: bool) -> Iterator[tuple[str, str, Any]]:
    nested = dataclasses.is_dataclass(value) or isinstance(value, msgspec.Struct)
    if nested and not isinstance(value, type):
        yield from constants(value, inside, benchmark)
    else:
        yield inside, name, value
        yield from constants(value, inside, benchmark)


def words(value: Any) -> list[str]:
    """What must be read of a value, whatever the signs between."""
    if isinstance(value, bool) or value is None or isinstance(value, int | float):
        return [str(value)]
    if isinstance(value, str):
        return [value[:40].strip()]
    if isinstance(value, dict):
        return [word for pair in value.items() for part in pair for word in words(part)]
    if isinstance(value, list | tuple | set | frozenset):
        plain = [
            member
            for member in value
            if not dataclasses.is_dataclass(member) and not isinstance(member, msgspec.Struct)
        ]
        return [word for member in plain for word in words(member)]
    if isinstance(value, re.Pattern):
        return [value.pattern, str(int(value.flags))]
    if isinstance(value, Enum):
        return [value.name]
    if isinstance(value, functools.partial):
        return words(value.func) + [f"{name}: {given}" for name, given in value.keywords.items()]
    if isinstance(value, type | types.FunctionType):
        return [value.__qualname__]
    return [str(value)]


def by_step(text: str) -> dict[str, str]:
    """What the plan says of each step, lines joined."""
    found: dict[str, str] = {}
    name = ""
    for line in text.splitlines():
        new = re.match(r"(?: {7})?([a-z][\w. -]*?): ", line)
        if re.match(r" {0,2}\d+\. ", line):
            name = ""
        elif new:
            name = new[1]
            found[name] = f"{found.get(name, '')}\n{line.strip()}"
        elif name and line.strip():
            found[name] += f" {line.strip()}"
    return found


def missing(step: Any, text: str) -> list[str]:
    """The constants that a plan does not say."""
    usual = {item.name: item.default for item in dataclasses.fields(Each) if item.name != "name"}
    lost = []
    for inside, name, value in constants(step):
        if (name, inside) == ("name", type(step).__name__) or (inside == "Each" and usual.get(name) == value):
            continue  # the line begins with its name; the defaults of Each stand in a line of their own
        shown = re.findall(rf"\b{SAID_AS.get((inside, name), name)}(?:=|: )(.*)", text)
        whole = [f"{inside}.{name}={value!r}"] if not shown and name not in ("fn", "name") else []
        lost += whole or [
            f"{inside}.{name}: {word}" for word in words(value) if not any(word in part for part in (shown or [text]))
        ]
    return lost


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    rows = write_rows(tmp_path / "rows.jsonl", ["질문 하나", "질문 둘"])
    table = tmp_path / "rows.csv"
    table.write_text("q;a\n질문;답\n", "utf-8")
    (tmp_path / "web.warc.gz").write_bytes(b"")
    return Recipe(
        "of_everything",
        "7",
        (
            JsonLines(
                paths=str(rows), text="text", language="ko", name="rows", licence=TERMS, category="Law", kind="open"
            ),
            Csv(paths=str(table), text="q", gold="a", language="ko", name="table", delimiter=";", category="Science"),
            Warc(paths=str(tmp_path / "web.warc.gz"), name="web"),
            Tasks(12, 3, "en", ops=(2, 3), direction="both", start=5, category="worked", name="tasks"),
            Exams(13, 9, "ko", name="exams", start=2),
        ),
        steps(tmp_path),
        Corpus("Everything", "ko", "All of it, told.", "cc-by-4.0"),
        max_dead=0.0625,
    )


def told(recipe: Recipe) -> str:
    return plan_text(recipe_plan(loaded(recipe), setting=Setting(out=""), limit=None, strict=False))


def test_each_field_of_each_step_stands_in_its_line(recipe: Recipe) -> None:
    said = by_step(told(recipe))
    lost = {step.name: missing(step, said.get(step.name, "")) for step in recipe.steps}
    assert {name: fields for name, fields in lost.items() if fields} == {}
    assert len(lost) == len(recipe.steps)


def test_the_walk_finds_a_constant_that_is_not_said(recipe: Recipe) -> None:
    said = by_step(told(recipe))
    for step, word in (
        ("translated", "shortest=0.19"),
        ("quota", "Law: 17"),
        ("own", "nothing=None"),
        ("clean", "n=12"),
        ("taught", "bridge="),
    ):
        (changed,) = (item for item in recipe.steps if item.name == step)
        assert word in said[step]
        assert missing(changed, said[step].replace(word, ""))


def test_sources_the_corpus_and_what_may_fail_are_said(recipe: Recipe) -> None:
    text = told(recipe)
    said = by_step(text)
    lines = said["source"].strip().split("\n")
    assert len(lines) == len(recipe.sources)
    assert [lost for source, line in zip(recipe.sources, lines, strict=True) for lost in missing(source, line)] == []
    assert "corpus: title=Everything, language=ko, description='All of it, told.', licence=cc-by-4.0" in text
    assert "dead letters: at most 6.25% of what enters a step" in text
    assert "steps: Each(on=None, keep=False, isolate=False, timeout=5.0) unless they say otherwise" in text


def test_what_a_teacher_is_asked_is_said_with_the_names_of_its_prompts(recipe: Recipe) -> None:
    text = " ".join(told(recipe).split())
    (teach,) = (step for step in recipe.steps if isinstance(step, Teach))
    assert f"prompt {TranslationPrompt('ko', 'first_turn').version}" in text
    assert f"prompt {teach.template.version}" in text
    assert "teacher scripted at 2;lost_option=0.0123;seed=4, 2 answer(s) to each prompt, of up to" in text
    assert "engine scripted" in text


def test_the_text_is_the_same_each_time_and_has_no_line_too_long(recipe: Recipe) -> None:
    text = told(recipe)
    assert text == told(recipe)
    assert max(len(line) for line in text.splitlines() if not line.startswith("input ")) <= 127
    # A long text says how long it is, and by which digest it is known.
    assert re.search(r"instruction='생각을 섞어 쓰시오\..*… \(360 characters, [0-9a-f]{12}…\)", by_step(text)["taught"])


def test_texts_are_told_from_what_they_look_like(recipe: Recipe) -> None:
    own = by_step(told(recipe))["own"]
    for words in (
        "number_like='0.5'",
        "none_like='None'",
        "text='two words, and a comma'",
        "empty=[]",
        "nothing=None",
        "low=0.222",
    ):
        assert words in own


def test_a_stage_of_several_passes_says_each_constant_once(recipe: Recipe) -> None:
    text = told(recipe)
    assert text.count("permutations=96") == text.count("threshold=0.83") == text.count("neighbours=19") == 1


def test_the_order_of_a_set_makes_no_difference(tmp_path: Path) -> None:
    (one,) = (step for step in steps(tmp_path) if step.name == "own")
    other = dataclasses.replace(one, fn=dataclasses.replace(one.fn, names=frozenset(["zwei", "eins"])))  # type: ignore[type-var]
    rows = JsonLines(paths=str(write_rows(tmp_path / "rows.jsonl", ["가"])), text="text", language="ko", name="rows")
    first, second = (told(Recipe("sets", "1", rows, (step,), Corpus("Sets", "ko"))) for step in (one, other))
    assert first == second
    assert "names=set(['eins', 'zwei'])" in first or "names=set(['zwei', 'eins'])" in first
