"""The exam pool: the same questions in any shards, right by their facts, and traps that are what they are called."""

from __future__ import annotations

import pickle
from collections import Counter
from typing import Any

import msgspec
import pytest
from shared import counted, read_all, records

from yisang.errors import UsageError
from yisang.records import Prompt
from yisang.sources import Exams, Source, exams
from yisang.sources.exam_traps import KINDS
from yisang.tasks.exam_facts import facts, known, pools
from yisang.tasks.exam_items import right_options


def prompts(**fields: Any) -> list[Prompt]:
    return [record for record in records(read_all(Exams(**fields))) if isinstance(record, Prompt)]


def test_a_question_has_four_options_a_gold_and_a_free_licence() -> None:
    source: Source = Exams(items=300, seed=1, split="train")
    found = [record for record in records(read_all(source)) if isinstance(record, Prompt)]
    assert len(found) == counted(source) == 300
    for prompt in found:
        assert (prompt.kind, prompt.language, prompt.split, prompt.category) == ("mcq", "ko", "train", "Exams")
        assert (prompt.licence.id, prompt.licence.letter, prompt.licence.derive) == ("CC0-1.0", "A", True)
        assert len(set(prompt.options)) == 4
        assert prompt.measures["trap"] is None
        assert "{" not in prompt.text


def test_each_gold_is_right_by_the_facts_and_no_other_option_is() -> None:
    found = prompts(items=3000, seed=2)
    assert all(right_options(prompt) == {int(prompt.gold or "") - 1} for prompt in found)
    # The wrong twin: any other gold would be seen.
    for prompt in found[:200]:
        for gold in {"1", "2", "3", "4"} - {prompt.gold}:
            assert right_options(msgspec.structs.replace(prompt, gold=gold)) != {int(gold) - 1}


def test_shards_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = prompts(items=50, seed=3, traps=2)
    monkeypatch.setattr(exams, "SHARD", 7)
    source = Exams(items=50, seed=3, traps=2)
    assert len(source.shards()) == 9
    assert records(read_all(source)) == whole
    assert prompts(items=5, seed=3, start=20) == whole[20:25]


def test_seeds_differ_and_facts_come_once() -> None:
    one = prompts(items=3000, seed=1)
    assert [prompt.text for prompt in one] != [prompt.text for prompt in prompts(items=3000, seed=2)]
    known = Counter(
        prompt.text
        for prompt in one
        if "." in str(prompt.measures["family"]) and "among" not in str(prompt.measures["family"])
    )
    assert set(known.values()) == {1}
    assert len(known) > 500
    assert len({prompt.id for prompt in one}) == len(one)
    assert len({prompt.text for prompt in one}) > 2700


def test_names_stand_once_on_their_side() -> None:
    for pair in facts("ko")["pairs"].values():
        rows = [row.split(" ") for row in pair["rows"]]
        for side in (0, 1):
            assert max(Counter(row[side] for row in rows).values()) == 1


def test_a_name_stands_once_in_its_question() -> None:
    for language in pools():
        for fact in known(language):
            (name,) = [value for slot, value in fact.slots.items() if slot != fact.asked and slot != "n"] or [""]
            assert len(name) < 3 or fact.family.endswith(".next") or fact.text.count(name) == 1, fact.text


def test_traps_are_planted_on_request_and_each_kind_in_its_number() -> None:
    found = Counter(prompt.measures["trap"] for prompt in prompts(items=10, seed=1, traps=5))
    assert found == {None: 10, **{kind: 5 * size for kind, (size, _) in KINDS.items()}}
    assert counted(Exams(items=10, seed=1, traps=5)) == found.total()
    assert set(Counter(prompt.measures["trap"] for prompt in prompts(items=10, seed=1))) == {None}


def test_the_right_answer_of_a_trap_is_right_until_something_is_added() -> None:
    about_others = [
        prompt
        for prompt in prompts(items=0, seed=1, traps=6)
        if str(prompt.measures["rule"]).split(" ")[0] in ("all", "none", "both")
    ]
    assert len(about_others) == 12
    for prompt in about_others:
        assert right_options(prompt) == {int(prompt.gold or "") - 1}
    last = [
        msgspec.structs.replace(prompt, options=(prompt.options[-1], *prompt.options[:-1]), gold="1")
        for prompt in about_others
    ]
    both = [prompt for prompt in last if str(prompt.measures["rule"]).startswith("both")]
    assert all(right_options(prompt) != {0} for prompt in both)  # whose labels now name others


@pytest.mark.parametrize("changes", [{"items": -1}, {"traps": -1}, {"start": -2}, {"language": "xx"}])
def test_what_there_is_not_is_refused_before_anything_runs(changes: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        Exams(**{"items": 3, "seed": 1, **changes})


def test_a_language_without_a_pool_is_told_what_to_write() -> None:
    with pytest.raises(UsageError, match=r"no exam pool in 'en'; there is one in .*ko. Write exams_en.toml"):
        Exams(items=1, seed=1, language="en")


def test_it_travels_to_workers_and_bears_identity() -> None:
    source = Exams(items=3, seed=1)
    assert pickle.loads(pickle.dumps(source)) == source
    assert source.identity() != Exams(items=3, seed=2).identity()
    assert "facts" in source.identity()
