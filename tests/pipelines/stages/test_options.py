"""Exam questions get options of their neighbours and keep their gold: proved by the grader, and by the facts themselves."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recipes_for_tests.helpers import (
    Given,
    Result,
    check_balance,
    kept_records,
    left_behind,
    loaded,
    recipe,
    run_command,
    run_here,
)

from yisang.errors import UsageError, YisangError
from yisang.filters.exams import CUES
from yisang.filters.grade import ProveGold
from yisang.filters.options import alike
from yisang.pipelines import phases
from yisang.pipelines.identity import identity
from yisang.pipelines.phases import Setting
from yisang.pipelines.run import read_books, run_recipe
from yisang.pipelines.stages import options
from yisang.pipelines.stages.options import MergeOptions, terms
from yisang.pipelines.steps import Each
from yisang.records import Licence, Page, Prompt, content_id
from yisang.sources import Exams
from yisang.sources.base import InputFile, Shard, SourceItem
from yisang.sources.exam_traps import KINDS
from yisang.storage import Folder
from yisang.tasks.exam_items import right_options

MERGE = MergeOptions("ko", gold_form="label", name="merge")
BLIND = MergeOptions("ko", gold_form="label", without=CUES, near=None, name="merge")
"""The wrong twin: the paper's sentence taken at its word, without a look at what the options mean."""
FREE = Licence(id="CC-BY-4.0", letter="A", evidence="written for the tests")
PRIVATE = Licence(id="CC-BY-NC-4.0", letter="B", evidence="written for the tests")
SHARED = Licence(id="CC-BY-SA-4.0", letter="A", evidence="written for the tests", share_alike=True)
CLOSED = Licence(id="CC-BY-ND-4.0", letter="B", evidence="written for the tests", derive=False)
TRAPS = 6
RECIPE = Path(__file__).parent / "recipes" / "merging.py"


def question(name: str, text: str, options: tuple[str, ...], gold: str = "1", **fields: Any) -> Prompt:
    given_ = {"licence": FREE, "kind": "mcq", "language": "ko", "category": "Exams"}
    return Prompt(id=name, text=text, options=options, gold=gold, **{**given_, **fields})


CAPITALS = [
    question("fr", "프랑스의 수도는 어디인가?", ("파리", "리옹", "니스")),
    question("de", "독일의 수도는 어디인가?", ("베를린", "뮌헨", "쾰른")),
    question("it", "이탈리아의 수도는 어디인가?", ("로마", "밀라노", "나폴리")),
]
KING = question("ko", "한글을 만든 임금은 누구인가?", ("세종", "태조", "영조"))


def merge(records: list[Any], out: Path, stage: MergeOptions = MERGE) -> Result:
    return run_here(recipe(Given(tuple(records)), stage), out)


def by_origin(result: Result) -> dict[str, Prompt]:
    """The results by the question that they come from."""
    return {record.id.partition("/")[0]: record for record in result.kept if isinstance(record, Prompt)}


def children(result: Result) -> list[Prompt]:
    return [record for record in result.kept if isinstance(record, Prompt) and record.measures["options_merged"]]


def flipped(prompt: Prompt) -> bool:
    """Whether the facts say that not the gold, or not the gold alone, is right."""
    return right_options(prompt) != {int(prompt.gold or "") - 1}


def source_records(source: Exams) -> list[Prompt]:
    items = [item for shard in source.shards() for item in source.read(shard)]
    return [item for item in items if isinstance(item, Prompt)]


# The pool that ships


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Result:
    """The pool with its traps, merged and proved."""
    source = Exams(items=2300, seed=1, traps=TRAPS)
    steps = (MERGE, Each(ProveGold("ko"), name="prove"))
    return run_here(recipe(source, *steps), tmp_path_factory.mktemp("pool"))


def test_two_thousand_questions_get_options_and_each_gold_is_proved(pool: Result) -> None:
    grown = children(pool)
    assert len(grown) >= 2000
    assert not [
        row for row in pool.drops if 'options_merged":0' not in row["record"]
    ]  # of the children none was dropped
    assert not any(flipped(child) for child in grown)
    for child in grown:
        own = int(child.measures["options_own"] or 0)
        assert own < len(child.options) == own + int(child.measures["options_merged"] or 0) <= 10
        assert len(set(child.options)) == len(child.options)
        assert len(child.parents) >= 2
    assert sum(len(child.options) == 10 for child in grown) > 0.9 * len(grown)
    places = Counter(child.gold for child in grown if len(child.options) == 10)
    assert min(places.values()) > 0.7 * len(grown) / 10  # the gold stands anywhere
    assert max(places.values()) < 1.3 * len(grown) / 10


EXPECTED = {
    "negation": ("negation", 1),
    "all_or_none": ("all_or_none", 1),
    "refers_to_others": ("refers_to_others", 1),
    "statements": ("statements", 2),
    "gold_unknown": ("gold_unknown", 1),
    "no_derivatives": ("no_derivatives", 1),
    "too_many_options": ("too_many_options", 1),
    "labelled_options": ("labelled_options", 1),
    "options_in_text": ("options_in_text", 1),
    "equal_options": ("equal_options", 1),
    "gold_like_label": ("gold_like_label", 1),
}
"""By kind of trap: the reason that is told, and of how many of its questions."""


@pytest.fixture(scope="module")
def merged_pool(tmp_path_factory: pytest.TempPathFactory) -> Result:
    """The same without the proof, whose drops would hide what the stage did."""
    return run_here(recipe(Exams(items=600, seed=1, traps=TRAPS), MERGE), tmp_path_factory.mktemp("merged"))


@pytest.mark.parametrize("kind", EXPECTED)
def test_each_trap_of_a_kind_is_caught_for_its_reason(kind: str, merged_pool: Result) -> None:
    reason, of_each = EXPECTED[kind]
    told = [record.measures["options_why"] for record in merged_pool.kept if record.measures["trap"] == kind]
    assert TRAPS >= 5
    assert told.count(reason) == TRAPS * of_each


@pytest.mark.parametrize("kind", ["equal", "near"])
def test_what_equals_the_gold_is_not_taken_from_who_offers_it(kind: str, merged_pool: Result) -> None:
    planted = [item for item in source_records(Exams(items=0, seed=1, traps=TRAPS)) if item.measures["trap"] == kind]
    own = {item.id: item.options for item in planted}
    caught = [child for child in children(merged_pool) if child.measures["trap"] == kind]
    assert len(caught) == len(planted) == 2 * TRAPS
    for child in caught:
        assert not flipped(child)
        added = set(child.options) - set(own[child.parents[0]])
        assert added
        for option in added:
            assert not any(alike(option, other, "ko") for other in child.options if other != option)
    # The second of each two stood ready to lend: it is among those that were looked at.
    lending = [child for child in caught if set(child.parents[1:]) & set(own)]
    assert len(lending) >= 5


def test_every_kind_of_trap_is_looked_for() -> None:
    assert set(KINDS) == {*EXPECTED, "equal", "near"}


def test_without_the_exclusions_golds_flip(tmp_path: Path, merged_pool: Result) -> None:
    twin = run_here(recipe(Exams(items=600, seed=1, traps=TRAPS), BLIND), tmp_path)
    wrong = Counter(child.measures["trap"] for child in children(twin) if flipped(child))
    for kind in ("negation", "all_or_none", "refers_to_others", "statements", "equal", "near"):
        assert wrong[kind] >= 5, (kind, wrong)
    assert wrong[None]  # ordinary questions that ask among those given have several right answers too
    assert not any(flipped(child) for child in children(merged_pool))
    print(f"flipped golds without the exclusions: {wrong.total()} of {len(children(twin))} questions, {dict(wrong)}")


def test_questions_among_those_given_are_left_out_for_a_reason_that_can_be_counted(tmp_path: Path) -> None:
    stage = MergeOptions("ko", gold_form="label", without=("among_given",), name="merge")
    result = run_here(recipe(Exams(items=2300, seed=1), stage), tmp_path)
    asked = [child for child in children(result) if str(child.measures["family"]).startswith("among")]
    assert len(asked) > 50
    assert sum(flipped(child) for child in asked) > 0.1 * len(asked)
    assert not any(flipped(child) for child in children(result) if child not in asked)


# Who lends to whom


def test_neighbours_lend_and_everything_stands_in_the_child(tmp_path: Path) -> None:
    found = by_origin(merge([*CAPITALS, KING], tmp_path))
    child = found["fr"]
    assert set(child.options) == {"파리", "리옹", "니스", "뮌헨", "쾰른", "밀라노", "나폴리"} | set(child.options) & {
        "태조",
        "영조",
    }
    assert child.options[int(child.gold or "") - 1] == "파리"
    assert child.parents[:3] == ("fr", "de", "it") or child.parents[:3] == ("fr", "it", "de")
    assert child.id == "fr/1"
    assert (child.text, child.category, child.kind) == (CAPITALS[0].text, "Exams", "mcq")
    assert child.measures == {
        "options_own": 3,
        "options_merged": len(child.options) - 3,
        "gold_before": "1",
        "options_why": None,
    }


def test_a_question_that_nothing_is_like_stays_as_it_is(tmp_path: Path) -> None:
    alone = question("x", "zebra", ("가나", "다라"))
    result = merge([*CAPITALS, alone], tmp_path)
    left = by_origin(result)["x"]
    assert left.measures == {"options_merged": 0, "options_why": "no_neighbour"}
    assert (left.id, left.options, left.gold, left.parents, left.licence) == ("x", alone.options, "1", (), FREE)


def test_licences_bind_the_child_and_closed_ones_neither_get_nor_lend(tmp_path: Path) -> None:
    import msgspec

    licences = {"fr": FREE, "de": SHARED, "it": PRIVATE}
    records = [msgspec.structs.replace(record, licence=licences[record.id]) for record in CAPITALS]
    closed = question("es", "스페인의 수도는 어디인가?", ("마드리드", "세비야", "톨레도"), licence=CLOSED)
    found = by_origin(merge([*records, closed], tmp_path))
    for name in ("fr", "de", "it"):
        child = found[name]
        assert set(child.parents) == {"fr", "de", "it"}
        assert (child.licence.letter, child.licence.share_alike, child.licence.derive) == ("B", True, True)
        assert child.licence.id == "CC-BY-4.0 AND CC-BY-NC-4.0 AND CC-BY-SA-4.0"
        assert not {"세비야", "톨레도", "마드리드"} & set(child.options)
    assert found["es"].measures["options_why"] == "no_derivatives"
    assert found["es"].options == closed.options


def test_splits_and_sorts_of_options_do_not_mix(tmp_path: Path) -> None:
    import msgspec

    numbers = question("n", "프랑스의 인구는 모두 얼마인가?", ("6800만 명", "2100만 명", "4500만 명"))
    tested = [
        msgspec.structs.replace(record, id=f"{record.id}-test", split="test", options=(*record.options, "도쿄", "제주"))
        for record in CAPITALS
    ]
    found = by_origin(merge([*CAPITALS, *tested, numbers], tmp_path))
    for name in ("fr", "de", "it"):
        assert not {"도쿄", "제주"} & set(found[name].options)
        assert all(parent.endswith("-test") for parent in found[f"{name}-test"].parents)
    assert found["n"].measures["options_why"] == "no_neighbour"
    assert not any("만 명" in option for record in found.values() for option in record.options if record.id != "n")


def test_records_of_other_kinds_and_languages_pass(tmp_path: Path) -> None:
    page = Page(id=content_id("x"), url="https://example.org", body=b"x")
    openly = question("o", CAPITALS[0].text, (), kind="open")
    foreign = question("ja", "フランスの首都はどこですか。", ("パリ", "リヨン"), language="ja")
    result = merge([page, openly, foreign, *CAPITALS], tmp_path)
    assert page in result.kept
    assert openly in result.kept
    assert by_origin(result)["ja"].measures["options_why"] == "other_language"


# How many, and beside what


def test_the_books_balance_whether_the_question_stays_or_not(tmp_path: Path) -> None:
    for beside in (False, True):
        stage = MergeOptions("ko", beside=beside, name="merge")
        result = merge([*CAPITALS, KING], tmp_path / str(beside), stage)
        grown = len(children(result))
        line = result.step("merge")
        assert grown >= 3
        assert (line["in"], line["born"], line["kept"]) == (4, grown * beside, 4 + grown * beside)
        stayed = [record for record in result.kept if not record.measures["options_merged"]]
        assert len(stayed) == (4 if beside else 4 - grown)
        assert not beside or {record.measures["options_why"] for record in stayed} <= {"beside", "no_neighbour"}


def test_the_share_is_that_of_the_questions_that_may(tmp_path: Path) -> None:
    stage = MergeOptions("ko", gold_form="label", share=0.25, name="merge")
    result = run_here(recipe(Exams(items=600, seed=3), stage), tmp_path)
    why = Counter(record.measures["options_why"] for record in result.kept)
    assert 0.18 < why[None] / (why[None] + why["not_chosen"]) < 0.32


def test_the_bound_on_options_is_a_setting(tmp_path: Path) -> None:
    result = run_here(
        recipe(Exams(items=200, seed=3), MergeOptions("ko", most=6, gold_form="label", name="merge")), tmp_path
    )
    assert {len(child.options) for child in children(result)} == {5, 6} or {
        len(c.options) for c in children(result)
    } == {6}


# What BM25 is


def bm25(query: list[str], documents: list[list[str]], k1: float, b: float) -> list[float]:
    """Robertson's formula in Lucene's form, written out (Kamphuis et al., ECIR 2020, table 1)."""
    average = sum(map(len, documents)) / len(documents)
    scores = []
    for document in documents:
        score = 0.0
        for term in dict.fromkeys(query):
            holding = sum(term in other for other in documents)
            weight = math.log(1 + (len(documents) - holding + 0.5) / (holding + 0.5))
            count = document.count(term)
            score += weight * count / (count + k1 * (1 - b + b * len(document) / average)) if count else 0.0
        scores.append(score)
    return scores


@pytest.mark.parametrize(("k1", "b"), [(1.5, 0.75), (0.0, 0.0), (3.0, 1.0)])
def test_the_nearest_lend_first_by_the_formula(k1: float, b: float, tmp_path: Path) -> None:
    draw = random.Random(1)
    nouns = ["강", "산줄기", "바닷가", "나무숲", "도시", "섬나라", "들판", "호수"]
    texts = [" ".join(draw.choices(nouns, k=draw.randint(2, 9))) for _ in range(40)]
    records = [
        question(f"{n:02d}", text, (f"바름{n}가", f"틀림{chr(0xAC00 + 29 * n)}나")) for n, text in enumerate(texts)
    ]
    stage = MergeOptions("ko", most=3, neighbours=1, least=0.0, k1=k1, b=b, near=None, name="merge")
    found = by_origin(merge(records, tmp_path, stage))
    documents = [terms(text) for text in texts]
    checked = 0
    for number, record in enumerate(records):
        scores = bm25(documents[number], documents, k1, b)
        scores[number] = -1.0
        best, second = sorted(scores, reverse=True)[:2]
        if best - second > 1e-4 and len(found[record.id].parents) == 2:
            assert found[record.id].parents[1] == f"{scores.index(best):02d}"
            checked += 1
    assert checked > 15


def test_how_like_a_neighbour_must_be_is_a_setting(tmp_path: Path) -> None:
    others = [question(f"x{n}", f"{n}번 문제의 답은 무엇인가?", (f"{n}가", f"{n}나", f"{n}다")) for n in range(30)]
    near = question("es", "프랑스의 옛 수도는 어디인가?", ("오를레앙", "마르세유", "디종"))
    stages = {least: MergeOptions("ko", least=least, near=None, name="merge") for least in (0.0, 0.3, 1.0)}
    found = {}
    for least, stage in stages.items():
        found[least] = by_origin(merge([*CAPITALS, near, KING, *others], tmp_path / str(least), stage))
    assert "ko" in found[0.0]["fr"].parents or len(found[0.0]["fr"].parents) > 4
    assert {"es", "de", "it"} <= set(found[0.3]["fr"].parents) <= {"fr", "es", "de", "it"}
    assert found[1.0]["fr"].measures["options_why"] == "no_neighbour"


def test_terms_share_a_noun_whatever_particle_follows_it() -> None:
    assert terms("수도는 어디인가?") == ["수도는", "수도", "도는", "어디인가", "어디", "디인", "인가"]
    assert set(terms("수도는")) & set(terms("수도가")) == {"수도"}
    assert terms("The capital, 12km") == ["the", "capital", "12", "km"]
    assert terms("Столица") == ["столица"]
    assert terms("首都はどこ") == ["首都はどこ", "首都", "都は", "はど", "どこ"]
    assert terms("강 ?!") == ["강"]


@given(st.text(max_size=60))
@settings(max_examples=50, deadline=None)
def test_any_text_has_terms_that_do_not_depend_on_its_form(text: str) -> None:
    import unicodedata

    assert terms(unicodedata.normalize("NFD", text)) == terms(text)


# The same everywhere


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("reference") / "run"
    code, said = run_command(RECIPE, out, "here")
    assert code == 0, said
    return out


@pytest.mark.parametrize(("on", "workers"), [("local", 1), ("local", 2), ("local", 4), ("beam", 1), ("beam", 2)])
def test_every_engine_gives_the_same(on: str, workers: int, tmp_path: Path, reference: Path) -> None:
    out = tmp_path / "run"
    code, said = run_command(RECIPE, out, on, workers)
    assert code == 0, said
    assert (out / "books.json").read_bytes() == (reference / "books.json").read_bytes()
    assert kept_records(out) == kept_records(reference)
    assert left_behind(out) == left_behind(reference)


def test_the_recipe_augments_proves_and_styles(reference: Path) -> None:
    books = read_books(Folder(str(reference)))
    check_balance(books)
    lines = {step.name: step for step in books.steps}
    assert lines["merge"].kept == lines["merge"].taken
    assert 0 < sum(lines["prove"].dropped.values()) < 60
    assert lines["prove_style"].dropped == {}


@dataclass(frozen=True)
class Spread:
    """A source of given records in given shards."""

    shards_: tuple[tuple[Prompt, ...], ...]
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


def test_neither_the_order_of_the_input_nor_its_shards_change_a_child(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = source_records(Exams(items=200, seed=4, traps=2))
    draw = random.Random(3)
    outcomes = []
    for number, shards in enumerate((1, 1, 5, 17)):
        if number:
            draw.shuffle(records)
        if shards > 1:
            monkeypatch.setattr(phases, "MIN_SHARD_ROWS", len(records) // shards)
        out = tmp_path / str(number)
        spread = Spread(tuple(tuple(records[start::shards]) for start in range(shards)))
        run_recipe(loaded(recipe(spread, MERGE)), Setting(out=str(out)))
        outcomes.append(kept_records(out))
    assert outcomes[1:] == outcomes[:1] * 3


@pytest.mark.parametrize("size", [1, 30, 5_119, 5_120, 9_001])
@pytest.mark.parametrize("kinds", [1, 3, 10_000])
def test_no_neighbour_is_lost_in_a_large_pool(size: int, kinds: int) -> None:
    """What the search looks through holds the nearest, and in a large pool of many scores little more."""
    scores = np.random.default_rng(size).integers(0, kinds, size).astype(np.float32)
    for count in {1, min(20, size)}:
        floor = options._floor(scores, count)
        assert floor <= np.sort(scores)[-count]
        if kinds == 10_000:
            assert (scores >= floor).sum() <= 3 * count


# What is odd


def test_repeated_ids_are_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(
        YisangError, match=r"Step merge: 1 questions have the id of another one.*Put a Group that removes exact"
    ):
        merge([*CAPITALS, CAPITALS[0]], tmp_path)


def test_an_empty_pool_and_questions_without_words_fail_nobody(tmp_path: Path) -> None:
    for number, records in enumerate(
        ([], [KING], [question("a", "?", ("가", "나")), question("b", "!", ("다", "라"))])
    ):
        result = merge(records, tmp_path / str(number))
        assert not children(result)
        assert len(result.kept) == len(records)


@pytest.mark.parametrize(
    "parameters",
    [
        {"neighbours": 0},
        {"k1": -1.0},
        {"b": 1.5},
        {"near": 0.0},
        {"share": 2.0},
        {"most": 1},
        {"without": ("licence",)},
    ],
    ids=str,
)
def test_a_parameter_that_means_nothing_is_refused_by_name(parameters: dict[str, Any]) -> None:
    (name,) = parameters
    with pytest.raises(UsageError, match=name):
        MergeOptions("ko", **parameters)


def test_every_setting_bears_identity() -> None:
    changed = {"most": 9, "neighbours": 3, "least": 0.1, "k1": 1.2, "b": 0.5, "near": 0.9, "share": 0.5, "beside": True, "gold_form": "text", "salt": "x",
               "without": ("negation",)}  # fmt: skip
    plain = identity(MergeOptions("ko"), "merge")
    for name, value in changed.items():
        assert identity(MergeOptions("ko", **{name: value}), "merge") != plain, name
