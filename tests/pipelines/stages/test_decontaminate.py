"""Planted copies of benchmark items leave, near misses stay, and each drop says what it shared with what."""

from __future__ import annotations

import gzip
import json
import os
import pickle
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from planted import (
    BOILERPLATE,
    COPIES,
    NEAR_MISSES,
    Plant,
    benchmark,
    boilerplate,
    headed_leak,
    item,
    plants,
    prompt,
    trace,
    with_other_numbers,
    with_other_particles,
)
from recipes_for_tests.helpers import (
    HERE,
    Given,
    Result,
    kept_records,
    left_behind,
    loaded,
    recipe,
    run_command,
    run_here,
)

from yisang.errors import UsageError, YisangError
from yisang.filters.contamination import PAPER, PASSES, Pass
from yisang.pipelines import phases
from yisang.pipelines.compile import compile_recipe
from yisang.pipelines.curate import ToExample
from yisang.pipelines.phases import Setting
from yisang.pipelines.planning import plan_text, recipe_plan
from yisang.pipelines.report import books_json, books_text
from yisang.pipelines.run import check_recipe, read_books, run_recipe
from yisang.pipelines.stages.benchmarks import Question, Questions
from yisang.pipelines.stages.decontaminate import Decontaminate
from yisang.pipelines.steps import Each
from yisang.records import Drop, Licence, Page, Prompt, Record, content_id
from yisang.sources import Csv, JsonLines, Parquet
from yisang.sources.base import InputFile, Shard, SourceItem
from yisang.storage import Folder

ITEMS = 40
PLANTED = benchmark(ITEMS)
LONG, SHORT, MCQ, FORMULA = (item(number) for number in range(4))
MATH = Path(__file__).parents[4] / "shared" / "data" / "math"


def step(*benchmarks: Any, **settings: Any) -> Decontaminate:
    return Decontaminate(benchmarks or (PLANTED,), **{"name": "clean", **settings})


def clean(records: Iterable[Record], out: Path, what: Decontaminate | None = None) -> Result:
    return run_here(recipe(Given(tuple(records)), what or step()), out)


def evidence(result: Result) -> dict[str, dict[str, Any]]:
    """Of each drop, by the record's id."""
    assert all((row["step"], row["reason"]) == ("clean", "contaminated") for row in result.drops)
    return {row["id"]: json.loads(row["evidence"]) for row in result.drops}


def notes(result: Result) -> list[str]:
    return list(result.step("clean")["notes"])


# How well


@pytest.fixture(scope="module")
def planted() -> list[Plant]:
    return plants(ITEMS)


def hits(planted: Sequence[Plant], dropped: set[str]) -> dict[str, tuple[int, int]]:
    """By the way a record was made: how many were dropped, of how many."""
    found: dict[str, tuple[int, int]] = {}
    for plant in planted:
        hit, all_ = found.get(plant.kind, (0, 0))
        found[plant.kind] = hit + (plant.record.id in dropped), all_ + 1
    return found


EXPECTED: dict[tuple[Pass, ...], dict[str, int]] = {
    PAPER: {
        "copy": 40,
        "inside": 40,
        "reworked": 40,
        "labelled": 40,
        "unspaced": 30,
        "particles": 10,
        "half": 10,
        "in the trace": 40,
    },
    ("segmented",): {
        "copy": 20,
        "inside": 20,
        "reworked": 20,
        "labelled": 20,
        "particles": 10,
        "half": 10,
        "in the trace": 20,
    },
    ("raw",): {"copy": 30, "inside": 30, "labelled": 20, "half": 10, "in the trace": 30},
    ("whole",): {"copy": 40, "inside": 30, "reworked": 40, "labelled": 40, "unspaced": 30, "in the trace": 30},
    ("digitless",): {"copy": 30, "reworked": 30, "labelled": 30},
}
"""What is found of 40 items (10 of "particles" and "half", which are made of the long ones); of all other kinds, nothing. The three
passes miss one thing: formulas without blanks inside of another text, which are too short to be looked for there."""


@pytest.mark.parametrize("passes", EXPECTED, ids="+".join)
def test_what_each_pass_finds_of_the_planted_copies(
    planted: list[Plant], passes: tuple[Pass, ...], tmp_path: Path
) -> None:
    dropped = evidence(clean([plant.record for plant in planted], tmp_path, step(passes=passes)))
    found = {kind: hit for kind, (hit, _) in hits(planted, set(dropped)).items() if hit}
    assert found == EXPECTED[passes]
    for plant in planted:
        assert plant.record.id not in dropped or dropped[plant.record.id]["item"] == plant.item


def check_figures(planted: list[Plant], dropped: set[str]) -> None:
    leaks = {plant.record.id for plant in planted if plant.leak}
    assert len(leaks) == 260
    assert len(planted) - len(leaks) == 190
    assert len(dropped & leaks) / len(leaks) >= 0.96, "recall"
    assert dropped <= leaks, "precision"


def test_precision_is_1_and_recall_250_of_260(planted: list[Plant], tmp_path: Path) -> None:
    dropped = set(evidence(clean([plant.record for plant in planted], tmp_path)))
    check_figures(planted, dropped)
    assert len(dropped) == 250


@pytest.mark.parametrize(
    "wrong",
    [{"passes": ("segmented", "raw")}, {"n": 10}, {"raw_n": 12}, {"raw_units": "characters"}, {"n": 16, "raw_n": 16}],
    ids=str,
)
def test_the_figures_see_another_rule(planted: list[Plant], wrong: dict[str, Any], tmp_path: Path) -> None:
    dropped = set(evidence(clean([plant.record for plant in planted], tmp_path, step(**wrong))))
    with pytest.raises(AssertionError, match="recall|precision"):
        check_figures(planted, dropped)


@pytest.mark.parametrize(
    ("only", "text"),
    [
        ("segmented", with_other_particles(LONG.text)),
        ("raw", f"이 식을 보라. {FORMULA.text} 그리고 답을 쓰라"),
        ("whole", f"이런 문제가 있었다. {SHORT.text.replace(' ', '')} 어떻게 푸나요?"),
        ("digitless", with_other_numbers(SHORT.text)),
    ],
    ids=PASSES,
)
def test_each_pass_finds_what_the_others_miss(only: Pass, text: str, tmp_path: Path) -> None:
    record = prompt("p", text)
    without = tuple(name for name in PASSES if name != only)
    assert evidence(clean([record], tmp_path / "only", step(passes=(only,))))[record.id]["pass"] == only
    assert clean([record], tmp_path / "others", step(passes=without)).kept == [record]


# Evidence


def test_a_drop_says_with_what_where_and_how_much(tmp_path: Path) -> None:
    words = LONG.text.split()
    copied = prompt("copied", "앞말 " + " ".join(words[2:17]) + " 뒷말")
    short = prompt("short", SHORT.text)
    found = evidence(clean([copied, short], tmp_path, step(passes=("raw", "whole"))))
    assert found[copied.id] == {
        "benchmark": "planted",
        "item": "i0",
        "pass": "raw",
        "where": "prompt",
        "ngram": found[copied.id]["ngram"],
        "count": 3,
        "benchmarks": ["planted"],
    }
    assert found[copied.id]["ngram"] in {" ".join(words[start : start + 13]) for start in (2, 3, 4)}
    assert (found[short.id]["item"], found[short.id]["pass"], found[short.id]["count"]) == ("i1", "whole", 1)


def test_the_item_that_shares_most_is_named(tmp_path: Path) -> None:
    words = LONG.text.split()
    own = Questions(
        "own", (Question("part", " ".join(words[:14])), Question("all", LONG.text), Question("twin", LONG.text))
    )
    (found,) = evidence(clean([prompt("p", LONG.text)], tmp_path, step(own))).values()
    assert found["item"] == "all"


def test_a_trace_is_looked_at_beside_its_prompt(tmp_path: Path) -> None:
    harmless, leak = prompt("harmless", "오늘 날씨는 어떤가요?"), prompt("leak", LONG.text)
    records = [
        trace(harmless, f"<think>{LONG.text}</think>\n답"),
        trace(harmless, "맑습니다.", 1),
        trace(leak, "모르겠습니다."),
        trace(leak, LONG.text, 1),
    ]
    result = clean(records, tmp_path)
    assert [record.id for record in result.kept] == [records[1].id]
    assert [found["where"] for found in evidence(result).values()] == ["trace", "prompt", "prompt"]


def test_training_rows_are_looked_at_whole(tmp_path: Path) -> None:
    harmless = prompt("harmless", "오늘 날씨는 어떤가요?")
    rows = [
        ToExample()(trace(harmless, "", sample, think=think, answer=answer))
        for sample, (think, answer) in enumerate([("생각", "답"), (LONG.text, "답"), ("생각", LONG.text)])
    ]
    rows.append(ToExample()(trace(prompt("leak", MCQ.text, *MCQ.options), "", think="생각", answer="답")))
    records = [row for row in rows if not isinstance(row, Drop)]
    result = clean(records, tmp_path)
    assert result.kept == records[:1]
    assert [found["where"] for found in evidence(result).values()] == ["trace", "trace", "prompt"]


def test_records_of_other_kinds_pass(tmp_path: Path) -> None:
    page = Page(id=content_id("p"), url="https://example.org", body=LONG.text.encode())
    assert clean([page, prompt("leak", LONG.text)], tmp_path).kept == [page]


def test_records_with_one_id_are_told_apart(tmp_path: Path) -> None:
    one, other = (Prompt(id="same", text=text, language="ko") for text in (LONG.text, "오늘 날씨는 어떤가요?"))
    assert clean([other, one, other], tmp_path).kept == [other, other]


def test_nothing_in_nothing_out(tmp_path: Path) -> None:
    result = run_here(recipe(Given((prompt("a", LONG.text),)), Each(reject), step()), tmp_path)
    assert not result.kept
    assert notes(result)[0] == "0 of 0 records removed (0.00%)"


def reject(record: Prompt) -> Drop:
    return Drop("not_wanted")


# Boilerplate


def check_boilerplate(result: Result, harmless: Sequence[Record], leaks: Sequence[Record]) -> None:
    assert {record.id for record in result.kept} == {record.id for record in harmless}
    assert set(evidence(result)) == {record.id for record in leaks}


HARMLESS = boilerplate(30)
LEAKS = [headed_leak(number) for number in range(5)]


def test_boilerplate_is_stopped_and_told_while_a_copied_item_still_goes(tmp_path: Path) -> None:
    result = clean([*HARMLESS, *LEAKS], tmp_path, step(stop_prompts=20))
    check_boilerplate(result, HARMLESS, LEAKS)
    words = len(BOILERPLATE.split()) - 12
    shared = [record.measures["stopped_ngrams"] for record in result.kept]
    # Some begin as an item does, so that they share the boilerplate's last words and another one.
    assert min(shared) == 2 * words
    assert max(shared) > 2 * words
    said = notes(result)
    assert said[0] == "5 of 35 records removed (14.29%)"
    assert said[2].startswith(f"{2 * words} n-grams stopped as boilerplate, and ")
    assert said[2].endswith(" of which more than half stands in these; 30 records kept that share nothing else")
    assert said[3].startswith("stopped (raw, 35 prompts, 20 items of planted): ")
    assert said[3].partition("): ")[2] in BOILERPLATE
    assert len(said) == 3 + 5  # the first five of them; all are in the table


CLOSED = Licence(id="KOGL-2", letter="B", evidence="written for the tests")


@pytest.mark.parametrize("free", [0, 1, 30])
def test_the_books_quote_only_what_stands_in_a_record_that_may_be_redistributed(free: int, tmp_path: Path) -> None:
    records = [
        record if number < free else msgspec.structs.replace(record, licence=CLOSED)
        for number, record in enumerate(HARMLESS)
    ]
    result = clean(records, tmp_path, step(stop_prompts=20))
    assert len(result.kept) == len(records)
    said = [line for line in notes(result) if line.startswith("stopped (")]
    assert len(said) == 5
    assert all(", 30 prompts, 20 items of planted): " in line for line in said)
    quoted = [line.partition("): ")[2] for line in said]
    if free:
        assert all(words.casefold() in BOILERPLATE for words in quoted if "(withheld" not in words)
        assert not any("(withheld" in words for words in quoted)
    else:
        assert set(quoted) == {"(withheld: it stands in no record that may be redistributed)"}
        whole = books_text(result.books) + json.dumps(books_json(result.books), ensure_ascii=False)
        assert not any(" ".join(BOILERPLATE.split()[place : place + 3]) in whole for place in range(10))


@pytest.mark.parametrize(
    "wrong", [{"stop_prompts": None}, {"stop_prompts": 35}, {"stop_prompts": 20, "stop_items": 21}], ids=str
)
def test_without_the_stop_list_boilerplate_would_be_seen_to_fire(wrong: dict[str, Any], tmp_path: Path) -> None:
    result = clean([*HARMLESS, *LEAKS], tmp_path, step(**wrong))
    assert not any("stopped" in line for line in notes(result))
    with pytest.raises(AssertionError):
        check_boilerplate(result, HARMLESS, LEAKS)


def test_a_leak_that_stands_in_a_thousand_prompts_is_no_boilerplate(tmp_path: Path) -> None:
    many = [prompt(f"copy {number}", f"질문 {number}번: {LONG.text}") for number in range(30)]
    assert not clean(many, tmp_path / "right", step(stop_prompts=20)).kept
    # Two benchmarks that hold the same item do not make it the words of many items.
    again = [Questions(f"again {number}", (LONG,)) for number in range(12)]
    assert not clean(many, tmp_path / "again", step(*again, stop_prompts=20, passes=("segmented", "raw"))).kept


def test_a_text_that_ten_items_share_is_boilerplate_but_none_of_these_items_is(tmp_path: Path) -> None:
    alike = Questions("alike", tuple(Question(str(n), f"{LONG.text} 그리고 {n}번을 고르라") for n in range(12)))
    shared = [prompt(f"text {number}", f"질문 {number}번: {LONG.text}") for number in range(30)]
    leaks = [prompt(f"leak {n}", f"시험에 나왔다. {LONG.text} 그리고 {n}번을 고르라") for n in range(12)]
    result = clean([*shared, *leaks], tmp_path, step(alike, stop_prompts=20))
    check_boilerplate(result, shared, leaks)
    assert {found["pass"] for found in evidence(result).values()} == {"whole"}


def test_answers_to_one_prompt_are_one_prompt(tmp_path: Path) -> None:
    asked = HARMLESS[0]
    answers = [trace(asked, "답", sample) for sample in range(30)]
    assert not clean(answers, tmp_path, step(stop_prompts=20)).kept


def test_directives_do_not_fire_neither_given_nor_measured(tmp_path: Path) -> None:
    told = [
        Prompt(id=record.id, text=record.text, language="ko", measures={"directive": BOILERPLATE})
        for record in HARMLESS[:3]
    ]
    assert not clean(HARMLESS[:3], tmp_path / "twin").kept
    assert clean(HARMLESS[:3], tmp_path / "given", step(directives=(BOILERPLATE,))).kept == HARMLESS[:3]
    assert clean(told, tmp_path / "measured").kept == told
    answers = [trace(record, f"{BOILERPLATE}라고 하니 답은 3") for record in told]
    assert clean(answers, tmp_path / "answers").kept == answers
    leak = Prompt(id="leak", text=f"{LONG.text} {BOILERPLATE}", language="ko", measures={"directive": BOILERPLATE})
    assert not clean([leak], tmp_path / "leak").kept


def test_a_directive_that_is_no_text_is_refused(tmp_path: Path) -> None:
    wrong = Prompt(id="p", text="질문", language="ko", measures={"directive": True})
    with pytest.raises(
        UsageError, match=r"Step clean: the measure 'directive' of prompt p is True; it must be the directive's words"
    ):
        clean([wrong], tmp_path / "refused")
    assert clean([wrong], tmp_path / "named", step(directive_measure="style")).kept == [wrong]


# Benchmarks as files


ROWS = [{"question": q.text, "choices": list(q.options), "answer": "1"} for q in (LONG, SHORT, MCQ, FORMULA)]


def jsonl(path: Path, rows: Sequence[dict[str, Any]] = ROWS) -> Path:
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows))
    return path


def from_jsonl(path: Path) -> JsonLines:
    return JsonLines(paths=str(path), text="question", options="choices", language="ko", name="own")


def test_items_come_from_tables_with_the_columns_that_are_named(tmp_path: Path) -> None:
    packed = tmp_path / "own.jsonl.gz"
    packed.write_bytes(gzip.compress(jsonl(tmp_path / "own.jsonl").read_bytes()))
    pq.write_table(pa.Table.from_pylist(ROWS), tmp_path / "own.parquet")
    (tmp_path / "own.tsv").write_text(
        "".join(f"{row['question']}\t" + "\t".join((row["choices"] + [""] * 4)[:4]) + "\n" for row in ROWS)
    )
    parquet = Parquet(
        paths=str(tmp_path / "own.parquet"), text="question", options="choices", language="ko", name="own"
    )
    columns = ("question", "a", "b", "c", "d")
    tsv = Csv(
        paths=str(tmp_path / "own.tsv"),
        delimiter="\t",
        quote="",
        names=columns,
        text="question",
        options=columns[1:],
        language="ko",
        name="own",
    )
    records = [prompt(str(number), q.text, *q.options) for number, q in enumerate((LONG, SHORT, MCQ, FORMULA, item(5)))]
    for number, source in enumerate((from_jsonl(tmp_path / "own.jsonl"), from_jsonl(packed), parquet, tsv)):
        result = clean(records, tmp_path / f"run{number}", step(source))
        assert result.kept == records[4:], source
        assert {found["benchmark"] for found in evidence(result).values()} == {"own"}


def phase_names(what: Decontaminate) -> list[str]:
    return [phase.name for phase in compile_recipe(recipe(Given((prompt("p", "질문"),)), what)).phases]


def test_a_changed_benchmark_starts_again_from_there_and_a_moved_one_does_not(tmp_path: Path) -> None:
    before = phase_names(step(from_jsonl(jsonl(tmp_path / "own.jsonl"))))
    moved = tmp_path / "elsewhere.jsonl"
    os.rename(tmp_path / "own.jsonl", moved)
    assert phase_names(step(from_jsonl(moved))) == before
    jsonl(moved, ROWS[:3])
    changed = phase_names(step(from_jsonl(moved)))
    assert changed[0] == before[0]
    assert not set(changed[1:]) & set(before[1:])


def test_each_setting_starts_again_where_it_matters() -> None:
    before = phase_names(step())
    for settings, same in (
        ({"n": 12}, 1),
        ({"analyser": "words", "language": "en"}, 1),
        ({"directives": ("x",)}, 1),
        ({"directive_measure": "x"}, 2),
        ({"stop_prompts": 7}, 3),
        ({"stop_items": 7}, 3),
    ):
        after = phase_names(step(**settings))
        assert after[:same] == before[:same], settings
        assert not set(after[same:]) & set(before[same:]), settings
    assert phase_names(step(benchmark(ITEMS))) == before
    assert phase_names(step(benchmark(ITEMS - 1))) != before


def test_a_changed_benchmark_changes_the_next_run_into_the_same_folder(tmp_path: Path) -> None:
    file, out = jsonl(tmp_path / "own.jsonl", ROWS[1:]), tmp_path / "run"
    what = recipe(Given((prompt("long", LONG.text),)), step(from_jsonl(file)))
    assert run_recipe(loaded(what), Setting(out=str(out))).kept == 1
    jsonl(file)
    assert run_recipe(loaded(what), Setting(out=str(out))).kept == 0


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (
            '{"question": 3, "choices": []}',
            r"own cannot be read, so a copy of it would stay in the corpus: .*own.jsonl:1: column 'question'",
        ),
        ('{"question": "a"', r"own cannot be read"),
        ('{"question": "", "choices": []}', r"the benchmark own has no items"),
        ('{"text": "a", "choices": []}', r"no column 'question'"),
    ],
)
def test_a_benchmark_that_cannot_be_read_stops_the_run(rows: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "own.jsonl").write_text(rows)
    with pytest.raises(YisangError, match=told):
        clean([prompt("p", "질문")], tmp_path / "run", step(from_jsonl(tmp_path / "own.jsonl")))


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ("", r"the benchmark own has no items"),
        ('{"question": "", "choices": []}', r"the benchmark own has no items"),
        ('{"text": "a", "choices": []}', r"no column 'question'"),
        ('{"question": 3, "choices": []}', r"own.jsonl:1: column 'question'"),
    ],
)
def test_a_benchmark_without_items_is_found_before_anything_runs(rows: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "own.jsonl").write_text(rows)
    what = recipe(Given((prompt("p", "질문"),)), step(PLANTED, from_jsonl(tmp_path / "own.jsonl")))
    for refuses in (run_recipe, check_recipe):
        with pytest.raises(YisangError, match=told):
            refuses(loaded(what), Setting(out=str(tmp_path / "run")))
    assert not (tmp_path / "run").exists()


def test_a_benchmark_that_is_not_there_stops_the_plan(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="There is nothing at"):
        phase_names(step(from_jsonl(tmp_path / "none.jsonl")))


# What is told


def test_the_books_say_what_each_benchmark_has_removed(tmp_path: Path) -> None:
    both = [
        Questions("first", (LONG, SHORT, Question("tiny", "3+4=?"))),
        Questions("second", (LONG,)),
        Questions("third", (item(8),)),
    ]
    records = [
        prompt("long", LONG.text),
        prompt("short", SHORT.text),
        prompt("clean", "오늘 날씨는 어떤가요?"),
        prompt("tiny", "3+4=?"),
    ]
    result = clean(records, tmp_path, step(*both))
    assert notes(result) == [
        "3 of 4 records removed (75.00%)",
        "first: 3 items, 3 records (segmented 1, raw 1, whole 3); 1 items too short to be looked for inside of a text",
        "second: 1 items, 1 records (segmented 1, raw 1, whole 1)",
        "third: 1 items, 0 records (segmented 0, raw 0, whole 0)",
    ]
    assert evidence(result)[records[0].id]["benchmarks"] == ["first", "second"]
    text = books_text(result.books)
    assert all(f"clean: {line}" in text.splitlines() for line in notes(result))
    assert json.loads(json.dumps(books_json(result.books)))["steps"][1]["notes"] == notes(result)


def test_the_plan_shows_every_constant(tmp_path: Path) -> None:
    what = loaded(
        recipe(
            Given((prompt("p", "질문"),)), step(from_jsonl(jsonl(tmp_path / "own.jsonl")), directives=("답만 쓰시오",))
        )
    )
    text = " ".join(plan_text(recipe_plan(what, setting=Setting(out=""), limit=None, strict=False)).split())
    shown = ("analyser=words", "n=13", "raw_n=13", "raw_units=words", "whole_min=32", "stop_prompts=100", "stop_items=10", "답만 쓰시오",
             "directive_measure=directive", "passes=['segmented', 'raw', 'whole']", "benchmarks=['own']", "text=question")  # fmt: skip
    assert [name for name in shown if name not in text] == []


def test_a_japanese_benchmark_needs_no_other_settings(tmp_path: Path) -> None:
    question = "ある店で一冊三百円のノートを四冊と百二十円の鉛筆を六本買ったとき、代金はいくらになるか。"
    held = Questions("jmmlu-like", (Question("q", question),))
    records = [
        prompt("leak", f"先生、こんにちは。宿題の質問です。{question}途中の式も教えてください。"),
        prompt("part", f"昨日の問題ですが、{question[6:40]}のかわかりません。"),
        prompt("own", "ある店で買い物をしたとき、代金の計算をまちがえないためにはどうすればよいですか。"),
    ]
    what = step(held, language="ja")
    result = clean([msgspec.structs.replace(record, language="ja") for record in records], tmp_path, what)
    assert set(evidence(result)) == {records[0].id, records[1].id}
    assert notes(result)[1] == "jmmlu-like: 1 items, 2 records (segmented 2, raw 2, whole 1)"
    text = plan_text(recipe_plan(loaded(recipe(Given(()), what)), setting=Setting(out=""), limit=None, strict=False))
    assert "language=ja, n=13, raw_n=26, raw_units=characters" in " ".join(text.split())


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"benchmarks": ()}, "benchmarks must be one or more sources, each with a name of its own; given: none"),
        ({"benchmarks": (PLANTED, PLANTED)}, "given: planted, planted"),
        ({"stop_prompts": -1}, "stop_prompts is -1"),
        ({"stop_items": 1}, "stop_items is 1; it must be a whole number from 2"),
        ({"n": 0}, "n is 0"),
        ({"analyser": "kiwi"}, "no analyser 'kiwi'"),
    ],
    ids=str,
)
def test_a_setting_that_means_nothing_is_refused_by_name(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        Decontaminate(**{"benchmarks": (PLANTED,), **settings})


def test_can_be_sent_to_a_worker() -> None:
    assert pickle.loads(pickle.dumps(step())) == step()


# Order, shards, engines


@dataclass(frozen=True)
class Spread:
    """A source of given records in given shards."""

    shards_: tuple[tuple[Record, ...], ...]
    name: str = "spread"

    def shards(self) -> list[Shard]:
        return [Shard(str(number)) for number in range(len(self.shards_))]

    def read(self, shard: Shard) -> Iterator[SourceItem]:
        yield from self.shards_[int(shard.path)]

    def count(self, shard: Shard) -> int | None:
        return len(self.shards_[int(shard.path)])

    def inputs(self) -> list[InputFile]:
        return []

    def identity(self) -> Any:
        return [[record.id for record in shard] for shard in self.shards_]


def test_neither_the_order_of_the_input_nor_its_shards_change_who_stays(
    planted: list[Plant], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = [*(plant.record for plant in planted), *HARMLESS]
    outcomes = []
    for number, shards in enumerate((1, 5, 17)):
        monkeypatch.setattr(phases, "MIN_SHARD_ROWS", len(records) // shards)
        out = tmp_path / str(number)
        what = recipe(Spread(tuple(tuple(records[start::shards]) for start in range(shards))), step(stop_prompts=20))
        books = run_recipe(loaded(what), Setting(out=str(out)))
        assert len(list(out.glob("*-clean.matches-*/shard-*.json"))) >= min(shards, 16)
        outcomes.append((kept_records(out), left_behind(out), books.steps[-1].notes))
    assert outcomes[1:] == outcomes[:1] * 2
    assert len(outcomes[0][1]) == 250


RECIPE = HERE.parent / "stages" / "recipes" / "decontaminating.py"
PATHS = os.pathsep.join(str(HERE.parent / name) for name in (".", "stages"))


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The recipe on the smallest engine there is: one shard after the other."""
    out = tmp_path_factory.mktemp("reference") / "run"
    code, said = run_command(RECIPE, out, "here", PYTHONPATH=PATHS)
    assert code == 0, said
    return out


def test_the_recipe_for_engines_has_something_of_everything(reference: Path) -> None:
    books = read_books(Folder(str(reference)))
    said = books.steps[-1].notes
    assert len(list(reference.glob("*-clean.matches-*/shard-*.json"))) > 1
    assert said[1].startswith("planted: 90 items, ")
    assert said[2].startswith("small: 12 items, ")
    assert "digitless" in said[1]
    assert said[3].endswith("; 60 records kept that share nothing else")


@pytest.mark.parametrize(
    ("on", "workers"), [("local", 1), ("local", 2), ("local", 4), ("beam", 1), ("beam", 2)], ids=str
)
def test_every_engine_gives_the_same(tmp_path: Path, reference: Path, on: str, workers: int) -> None:
    out = tmp_path / "run"
    code, said = run_command(RECIPE, out, on, workers, PYTHONPATH=PATHS)
    assert code == 0, said
    assert (out / "books.json").read_bytes() == (reference / "books.json").read_bytes()
    assert kept_records(out) == kept_records(reference)
    assert left_behind(out) == left_behind(reference)


# Real benchmarks


def mgsm(language: str) -> Csv:
    return Csv(
        paths=str(MATH / f"mgsm_{language}.tsv"),
        delimiter="\t",
        quote="",
        names=("question", "answer"),
        text="question",
        language=language,
        name=f"mgsm_{language}",
    )


def gsm8k() -> JsonLines:
    return JsonLines(paths=str(MATH / "gsm8k_test.jsonl.gz"), text="question", language="en", name="gsm8k")


@pytest.mark.skipif(not MATH.is_dir(), reason="../shared/data/math is not here")
def test_real_benchmarks_find_each_other_where_one_was_made_of_the_other(tmp_path: Path) -> None:
    asked = [
        record
        for language in ("en", "de", "ja")
        for record in mgsm(language).read(Shard(str(MATH / f"mgsm_{language}.tsv")))
    ]
    records = [record for record in asked if isinstance(record, Prompt)]
    assert len(records) == 750
    result = clean(records, tmp_path, step(gsm8k(), language="en"))
    left = {
        language: sum(record.source == f"mgsm_{language}" for record in result.kept) for language in ("en", "de", "ja")
    }
    assert left == {"en": 0, "de": 250, "ja": 250}


@pytest.mark.parametrize("kind", [*COPIES, *NEAR_MISSES])
def test_each_way_of_planting_makes_another_text(kind: str) -> None:
    assert len({plant.record.id for plant in plants(4) if plant.kind == kind}) in (3, 4)
