"""Near copies are found, the right one survives, and nobody else goes: measured against the exact similarity of all pairs."""

from __future__ import annotations

import itertools
import json
import math
import pickle
import random
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from recipes_for_tests.helpers import Given, Result, kept_records, left_behind, loaded, prompt, recipe, run_here

from yisang.errors import UsageError, YisangError
from yisang.filters.duplicates import exact_key, keep_first, normalise, survivor_order
from yisang.pipelines import phases
from yisang.pipelines.phases import Setting
from yisang.pipelines.run import run_recipe
from yisang.pipelines.stages.dedup import NearDuplicates
from yisang.pipelines.steps import Each, Group
from yisang.records import Drop, Licence, Page, Prompt, content_id
from yisang.sources.base import InputFile, Shard, SourceItem

THRESHOLD = 0.8
PERMUTATIONS = 128
NEAR = NearDuplicates(threshold=THRESHOLD, shingle=5, permutations=PERMUTATIONS, name="near")
CLOSED = Licence(id="CC-BY-NC-4.0", letter="B", evidence="written for the tests")


def words(draw: random.Random, count: int) -> list[str]:
    """Made-up Korean: words of two to four syllables."""
    return ["".join(chr(draw.randrange(0xAC00, 0xD7A4)) for _ in range(draw.randint(2, 4))) for _ in range(count)]


def text(seed: int, count: int = 40) -> str:
    return " ".join(words(random.Random(seed), count))


def edited(original: str, draw: random.Random, edits: int) -> str:
    """The text with `edits` of its words replaced."""
    found = original.split()
    for place in draw.sample(range(len(found)), edits):
        found[place] = words(draw, 1)[0]
    return " ".join(found)


def korean(name: str, text: str, **fields: Any) -> Prompt:
    return prompt(name, text=text, language="ko", **fields)


def deduplicate(records: Iterable[Any], out: Path, near: NearDuplicates = NEAR) -> Result:
    return run_here(recipe(Given(tuple(records)), near), out)


def losers(result: Result) -> dict[str, str]:
    """The dropped, each with its survivor."""
    return {row["id"]: json.loads(row["evidence"])["survivor"] for row in result.drops}


# Who survives


@pytest.mark.parametrize(
    ("one", "two", "survivor"),
    [
        ({"licence": CLOSED, "text": text(1) + " 그리고 더 긴 끝"}, {"text": text(1)}, "two"),
        ({"text": text(1)}, {"text": text(1) + " 끝"}, "two"),
        ({"text": text(1)}, {"text": text(1).replace(" ", "  ")}, "one"),
        ({"id": "b", "text": text(1)}, {"id": "a", "text": text(1)}, "a"),
    ],
    ids=["licence before length", "length before id", "blanks are no length", "id"],
)
def test_the_freest_then_the_longest_then_the_first_by_id_survives(
    one: dict[str, Any], two: dict[str, Any], survivor: str, tmp_path: Path
) -> None:
    records = [korean(**{"name": name, **fields}) for name, fields in (("one", one), ("two", two))]
    result = deduplicate(records, tmp_path)
    if survivor == "one":  # with as many letters but blanks, the order of the recipe decides; it must be the same one
        survivor = min(records, key=survivor_order).id
    assert [record.id for record in result.kept] == [survivor]
    (drop,) = result.drops
    assert (drop["step"], drop["reason"]) == ("near", "near_duplicate")
    assert losers(result) == {next(record.id for record in records if record.id != survivor): survivor}


def test_an_order_of_one_s_own_decides(tmp_path: Path) -> None:
    records = [korean("a", text(1)), korean("b", text(1))]
    kept = deduplicate(records, tmp_path, NearDuplicates(order=last_first, name="near")).kept
    assert [record.id for record in kept] == ["b"]


def last_first(record: Prompt) -> str:
    return "".join(chr(0x7F - ord(letter)) for letter in record.id)


def test_copies_of_copies_are_one_cluster_with_one_survivor(tmp_path: Path) -> None:
    draw = random.Random(7)
    chain = [text(2, 60)]
    for place in range(12):
        found = chain[-1].split()
        found[place * 5] = words(draw, 1)[0]
        chain.append(" ".join(found))
    assert min(similarity(one, two) for one, two in itertools.pairwise(chain)) > 0.87
    assert similarity(chain[0], chain[-1]) < 0.6  # so only the chain joins them
    result = deduplicate([korean(f"{number:02d}", text) for number, text in enumerate(chain)], tmp_path)
    (survivor,) = result.kept
    assert losers(result) == {f"{number:02d}": survivor.id for number in range(13) if f"{number:02d}" != survivor.id}


# How well, against all pairs


def similarity(one: str, two: str) -> float:
    """The exact Jaccard similarity, by the definition and by other code than the stage's."""
    grams = [{tuple(normalise(text)[i : i + 5]) for i in range(len(normalise(text)) - 4)} for text in (one, two)]
    return len(grams[0] & grams[1]) / len(grams[0] | grams[1])


@dataclass(frozen=True)
class Pair:
    """A text, its edited copy, and how near they are."""

    original: str
    copy: str
    exact: float


PAIRS = 200


@pytest.fixture(scope="module")
def pairs() -> list[Pair]:
    """Pairs of every similarity from near copies to strangers; texts of different pairs have nothing in common."""
    draw = random.Random(11)
    found = []
    for number in range(PAIRS):
        original = text(1_000 + number, draw.randint(30, 60))
        copy = edited(original, draw, number % 12)
        found.append(Pair(original, f"{copy} 끝", similarity(original, f"{copy} 끝")))
    return found


def as_records(pairs: Iterable[Pair]) -> list[Prompt]:
    texts = [
        (f"{number:03d}-{side}", getattr(pair, side))
        for number, pair in enumerate(pairs)
        for side in ("original", "copy")
    ]
    return [korean(name, text) for name, text in texts]


def chance(exact: float) -> float:
    """How likely a fair MinHash of 128 values estimates a pair at the threshold or above: the tail of a binomial."""
    least = math.ceil(THRESHOLD * PERMUTATIONS)
    return sum(
        math.comb(PERMUTATIONS, hits) * exact**hits * (1 - exact) ** (PERMUTATIONS - hits)
        for hits in range(least, PERMUTATIONS + 1)
    )


def check_quality(pairs: list[Pair], found: dict[str, str]) -> None:
    """What a MinHash of 128 values must reach. Its standard error is 0.035 at 0.8."""
    joined = {int(loser[:3]) for loser in found}
    assert all(loser[:3] == survivor[:3] for loser, survivor in found.items()), "strangers were joined"
    near = {number for number, pair in enumerate(pairs) if pair.exact >= THRESHOLD}
    # Beyond three standard errors there is no doubt.
    assert {number for number in near if pairs[number].exact >= 0.89} <= joined
    assert not {number for number in joined if pairs[number].exact < 0.68}
    precision, recall = len(joined & near) / len(joined), len(joined & near) / len(near)
    assert precision >= 0.9, precision
    assert recall >= 0.9, recall
    # In between: as many as a fair estimate would find, within three standard deviations.
    doubtful = [number for number, pair in enumerate(pairs) if 0.68 <= pair.exact < 0.89]
    expected = sum(chance(pairs[number].exact) for number in doubtful)
    spread = math.sqrt(sum(chance(pairs[n].exact) * (1 - chance(pairs[n].exact)) for n in doubtful))
    assert abs(len(joined & set(doubtful)) - expected) <= 3 * spread, (len(joined & set(doubtful)), expected, spread)


def test_as_good_as_a_minhash_can_be_against_all_pairs(pairs: list[Pair], tmp_path: Path) -> None:
    records = as_records(pairs)
    grams = [set(NEAR.shingles(record.text)) for record in records]
    strangers = [
        len(one & two) / len(one | two)
        for (number, one), (other, two) in itertools.combinations(enumerate(grams), 2)
        if number // 2 != other // 2
    ]
    assert max(strangers) < 0.05  # of all 79,800 pairs only those of one text and its copy are near
    assert sum(pair.exact >= THRESHOLD for pair in pairs) > 50
    assert sum(0.6 < pair.exact < THRESHOLD for pair in pairs) > 50
    result = deduplicate(records, tmp_path)
    check_quality(pairs, losers(result))
    assert len(result.kept) == len(records) - len(result.drops)


@pytest.mark.parametrize("wrong", [0.5, 0.95])
def test_the_measure_sees_a_stage_that_ignores_the_threshold(pairs: list[Pair], wrong: float, tmp_path: Path) -> None:
    twin = NearDuplicates(threshold=wrong, shingle=5, permutations=PERMUTATIONS, name="near")
    found = losers(deduplicate(as_records(pairs), tmp_path, twin))
    with pytest.raises(AssertionError):
        check_quality(pairs, found)


def test_the_similarity_in_the_evidence_is_near_the_exact_one(pairs: list[Pair], tmp_path: Path) -> None:
    result = deduplicate(as_records(pairs), tmp_path)
    for row in result.drops:
        exact, told = pairs[int(row["id"][:3])].exact, json.loads(row["evidence"])["similarity"]
        assert abs(told - exact) <= 4 * math.sqrt(exact * (1 - exact) / PERMUTATIONS) + 1e-4
    assert len(result.drops) > 30


def test_unrelated_texts_are_left_alone(tmp_path: Path) -> None:
    records = [korean(f"{number:03d}", text(number)) for number in range(200)]
    result = deduplicate(records, tmp_path)
    assert result.kept == records
    assert not result.drops


# Order and shards


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


def test_neither_the_order_of_the_input_nor_its_shards_change_who_stays(
    pairs: list[Pair], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Clusters of several members too: every fourth text has three more copies.
    draw = random.Random(3)
    records = as_records(pairs)
    records += [
        korean(f"{record.id}-{copy}", edited(record.text, draw, 1)) for record in records[::8] for copy in range(3)
    ]
    outcomes = []
    for number, shards in enumerate((1, 1, 5, 17)):
        if number:
            draw.shuffle(records)
        if shards > 1:
            monkeypatch.setattr(phases, "MIN_SHARD_ROWS", len(records) // shards)
        out = tmp_path / str(number)
        source = Spread(tuple(tuple(records[start::shards]) for start in range(shards)))
        run_recipe(loaded(recipe(source, NEAR)), Setting(out=str(out)))
        plans = len(list(out.glob("*-near.signatures-*/shard-*.json")))
        assert plans >= (min(shards, 16) if shards > 1 else 2)
        outcomes.append((kept_records(out), left_behind(out)))
    assert outcomes[1:] == outcomes[:1] * 3
    assert len(outcomes[0][1]) > 100


# What is odd


def test_repeated_ids_are_refused_with_what_to_do(tmp_path: Path) -> None:
    records = [korean("a", text(1)), korean("b", text(2)), korean("a", text(1))]
    with pytest.raises(
        YisangError, match=r"Step near: 1 prompts have the id of another one.*Put a Group that removes exact"
    ):
        deduplicate(records, tmp_path / "refused")
    exact = Group(exact_key, keep_first, order=survivor_order, name="exact")
    result = run_here(recipe(Given(tuple(records)), exact, NEAR), tmp_path / "mended")
    assert sorted(record.id for record in result.kept) == ["a", "b"]


def test_texts_shorter_than_a_shingle_are_compared_whole(tmp_path: Path) -> None:
    texts = {"a": "네", "b": "아니", "c": "글쎄요", "d": "모르겠", "e": "", "f": " 네 ", "g": "OK", "h": "ok"}
    result = deduplicate([korean(name, text) for name, text in texts.items()], tmp_path)
    assert {record.id for record in result.kept} == {"a", "b", "c", "d", "e", "f", "g", "h"} - set(losers(result))
    assert {frozenset(pair) for pair in losers(result).items()} == {frozenset("af"), frozenset("gh")}


def test_case_blanks_and_unicode_forms_are_no_difference(tmp_path: Path) -> None:
    one = f"Question {text(5)}"
    result = deduplicate([korean("a", one), korean("b", unicodedata.normalize("NFD", one.upper()))], tmp_path)
    assert len(result.kept) == 1


def test_a_stage_without_input_leaves_nothing_and_fails_nobody(tmp_path: Path) -> None:
    result = run_here(recipe(Given((korean("a", text(1)),)), Each(reject), NEAR, Each(keep)), tmp_path)
    assert not result.kept
    for name in ("near", "keep"):
        line = result.step(name)
        assert (line["in"], line["born"], line["kept"], line["dropped"], line["dead"]) == (0, 0, 0, {}, 0)


def reject(record: Prompt) -> Drop:
    return Drop("not_wanted")


def keep(record: Prompt) -> Prompt:
    return record


def test_records_of_other_kinds_pass(tmp_path: Path) -> None:
    pages = [Page(id=content_id(str(number)), url="https://example.org", body=text(1).encode()) for number in range(3)]
    for number, records in enumerate((pages, [*pages, korean("a", text(1)), korean("b", text(1))])):
        result = deduplicate(records, tmp_path / str(number))
        assert [record for record in result.kept if isinstance(record, Page)] == pages
        assert len(result.kept) == len(pages) + bool(number)
        assert losers(result) == ({"b": "a"} if number else {})


@pytest.mark.parametrize(
    "parameters",
    [{"threshold": 0.0}, {"threshold": 1.1}, {"threshold": -1.0}, {"shingle": 0}, {"permutations": 1}],
    ids=str,
)
def test_a_parameter_that_means_nothing_is_refused_by_name(parameters: dict[str, Any]) -> None:
    (name,) = parameters
    with pytest.raises(UsageError, match=name):
        NearDuplicates(**parameters)


@pytest.mark.parametrize(("threshold", "permutations"), [(1.0, 128), (0.97, 16)])
def test_a_search_that_needs_more_permutations_is_refused_before_a_run(threshold: float, permutations: int) -> None:
    told = rf"Step near: .*threshold {threshold} cannot be searched with {permutations} permutations.*Lower threshold"
    with pytest.raises(UsageError, match=told):
        NearDuplicates(threshold=threshold, permutations=permutations, name="near")


@pytest.mark.parametrize(("threshold", "permutations"), [(0.97, 128), (0.5, 16), (0.05, 2)])
def test_what_is_not_refused_can_be_run(threshold: float, permutations: int, tmp_path: Path) -> None:
    near = NearDuplicates(threshold=threshold, permutations=permutations, name="near")
    assert pickle.loads(pickle.dumps(near)).bands == near.bands
    assert len(deduplicate([korean("a", text(1)), korean("b", text(1))], tmp_path, near).kept) == 1


def test_exam_questions_of_the_same_words_are_told_apart_by_their_options(tmp_path: Path) -> None:
    asked = "다음 중 옳은 것을 고르시오."
    options = [tuple(text(20 + 4 * number + place, 3) for place in range(4)) for number in range(3)]
    records = [prompt(f"q{n}", text=asked, kind="mcq", options=given) for n, given in enumerate(options)]
    copy = prompt("copy", text=asked + "!", kind="mcq", options=options[0])
    done = run_here(recipe(Given((*records, copy)), NEAR), tmp_path / "out")
    assert [drop["reason"] for drop in done.drops] == ["near_duplicate"]
    assert len(done.kept) == 3
