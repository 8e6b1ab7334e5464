"""Quotas by category, chosen by hash."""

from __future__ import annotations

import itertools
import pickle
import random

import pytest

from yisang.errors import UsageError
from yisang.filters.quota import HashOrder, Quota, category
from yisang.pipelines.curate import ToExample
from yisang.records import Drop, Example, Prompt, Trace


def prompts(count: int, name: str = "Code") -> list[Prompt]:
    return [Prompt(id=f"{number:03d}", text="?", language="ko", category=name) for number in range(count)]


def example(name: str, asked: str) -> Example:
    trace = Trace(
        id=name,
        prompt=Prompt(id=asked, text="?", language="ko"),
        sample=0,
        text="<think>a</think>b",
        think="a",
        answer="b",
        teacher="m",
        revision="1",
        prompt_version="v",
        finish_reason="stop",
    )
    found = ToExample()(trace)
    assert isinstance(found, Example)
    return found


def kept(quota: Quota, records: list[Prompt]) -> int:
    return sum(isinstance(record, Prompt) for record in quota(iter(records)))


@pytest.mark.parametrize(("given", "left"), [(0, 0), (2, 2), (3, 3), (4, 3), (10, 3)])
def test_so_many_stay_and_no_more(given, left):
    assert kept(Quota({"Code": 3}), prompts(given)) == left


def test_the_first_stay_and_the_others_say_why():
    a, b = prompts(2)
    assert list(Quota({"Code": 1})(iter([a, b]))) == [
        a,
        Drop("over_quota", {"quota": 1, "category": "Code"}, record=b),
    ]


def test_a_category_that_is_not_named_is_unlimited_or_has_the_default():
    assert kept(Quota({"Code": 1}), prompts(5, "Daily")) == 5
    assert kept(Quota({"Code": 1}, default=2), prompts(5, "Daily")) == 2
    assert kept(Quota({"Code": 1}, default=2), prompts(5, "Code")) == 1
    assert kept(Quota({}, default=0), prompts(5, "")) == 0


def test_a_quota_of_none_is_none():
    assert kept(Quota({"Code": 0}), prompts(2)) == 0


def test_several_categories_in_one_group_are_an_error():
    mixed = prompts(1, "Code") + prompts(1, "Daily")
    with pytest.raises(ValueError, match=r"'Code' and 'Daily' in one group.*quota.category"):
        list(Quota({"Code": 1})(iter(mixed)))
    assert len({category(record) for record in mixed}) == 2


def chosen(order, records: list[Prompt]) -> set[str]:
    ranked = sorted(records, key=order)
    return {record.id for record in Quota({"Code": 10})(iter(ranked)) if isinstance(record, Prompt)}


def test_the_choice_does_not_depend_on_the_order_of_arrival():
    shuffled = prompts(100)
    random.Random(7).shuffle(shuffled)
    assert chosen(HashOrder("a"), shuffled) == chosen(HashOrder("a"), prompts(100))
    # the twin that goes by arrival
    arrival = {record.id: place for place, record in enumerate(shuffled)}
    assert chosen(lambda record: arrival[record.id], shuffled) != chosen(HashOrder("a"), shuffled)


def test_another_salt_is_another_choice_and_neither_is_the_order_of_ids():
    choices = [chosen(HashOrder(salt), prompts(100)) for salt in ("", "a", "b")]
    choices.append(chosen(lambda record: record.id, prompts(100)))
    assert all(one != other for one, other in itertools.combinations(choices, 2))


def test_salt_and_id_do_not_run_into_each_other():
    one = Prompt(id="bc", text="?", language="ko")
    other = Prompt(id="c", text="?", language="ko")
    assert HashOrder("a")(one) != HashOrder("ab")(other)


def test_a_group_is_never_held():
    read = 0

    def endless():
        nonlocal read
        for number in itertools.count():
            read = number
            yield Prompt(id=str(number), text="?", language="ko")

    out = Quota({}, default=3)(endless())
    for number in range(50):
        next(out)
        assert read == number


@pytest.mark.parametrize("limit", [-1, 1.5, "3", True, None])
def test_a_limit_that_is_no_count_is_refused(limit):
    with pytest.raises(UsageError, match="Quota: "):
        Quota({"Code": limit})


@pytest.mark.parametrize("limit", [-1, 1.5, True])
def test_a_default_that_is_no_count_is_refused(limit):
    with pytest.raises(UsageError, match=r"the limit of \(default\)"):
        Quota({}, default=limit)


def test_can_be_pickled_and_hashed_and_the_order_of_names_does_not_count():
    quota = Quota({"b": 1, "a": 2}, default=3)
    assert quota == Quota({"a": 2, "b": 1}, default=3)
    assert hash(quota) == hash(Quota({"a": 2, "b": 1}, default=3))
    assert pickle.loads(pickle.dumps(quota)) == quota
    assert pickle.loads(pickle.dumps(HashOrder("a"))) == HashOrder("a")


def test_a_recipe_that_changes_its_limits_afterwards_changes_nothing():
    limits = {"Code": 1}
    quota = Quota(limits)
    limits["Code"] = 5
    assert kept(quota, prompts(5)) == 1


# Extra items, and what is short


def test_extra_items_are_taken_beyond_the_limit_and_marked():
    quota = Quota({"Code": 3}, extra={"Code": 2})
    found = list(quota(iter(prompts(7))))
    assert [record.measures for record in found[:5]] == [{"quota_extra": extra} for extra in (False,) * 3 + (True,) * 2]
    assert [(drop.reason, drop.evidence["quota"]) for drop in found[5:]] == [("over_quota", 5)] * 2
    # A slice of one category, with exam items for the format of their answers.
    sliced = Quota({"Code": 3}, default=0, extra={"Exams": 2})
    assert [kept(sliced, prompts(9, name)) for name in ("Code", "Daily", "Exams")] == [3, 0, 2]
    assert next(iter(sliced(iter(prompts(1, "Exams"))))).measures == {"quota_extra": True}
    assert next(iter(sliced(iter(prompts(1, "Code"))))).measures == {}


def test_extra_items_of_a_category_without_end_are_refused():
    with pytest.raises(UsageError, match="Exams has no limit, so nothing can be beyond it"):
        Quota({"Code": 3}, extra={"Exams": 2})
    with pytest.raises(UsageError, match="the limit of Exams is -1"):
        Quota({"Exams": 3}, extra={"Exams": -1})


def test_what_is_short_is_said_of_each_category_and_in_all():
    paper = Quota(
        {"OpenThought": 62_000, "Code": 86_000, "Science": 37_000, "Exams": 66_000}, default=0, extra={"Exams": 3_000}
    )
    plenty = {"OpenThought": 62_000, "Code": 86_000, "Science": 37_000, "Exams": 69_000, "Daily": 0}
    assert paper.notes(plenty) == [
        "Code 86,000 of 86,000",
        "Exams 69,000 of 69,000 (3,000 of them extra)",
        "OpenThought 62,000 of 62,000",
        "Science 37,000 of 37,000",
    ]
    assert paper.notes({**plenty, "Science": 31_204, "Code": 0})[0] == "Code 0 of 86,000, 86,000 short"
    assert paper.notes({"Science": 31_204})[-2:] == [
        "Science 31,204 of 37,000, 5,796 short",
        "31,204 of 254,000 wanted, 222,796 short",
    ]
    assert Quota({}, default=5).notes({"Code": 3}) == []


def test_examples_of_one_question_are_drawn_alike_however_they_were_answered():
    def examples(teacher: str) -> list[Example]:
        return [example(f"{teacher}-{number}", f"q{number}") for number in range(40)]

    def drawn(order: HashOrder, teacher: str) -> set[str]:
        return {record.prompt_id for record in sorted(examples(teacher), key=order)[:10]}

    assert drawn(HashOrder("s", by="prompt"), "a") == drawn(HashOrder("s", by="prompt"), "b")
    assert drawn(HashOrder("s"), "a") != drawn(HashOrder("s"), "b")
    # Translated, or with options or a directive, a question is drawn as it was.
    order, question = HashOrder("s", by="prompt"), example("x", "q1")
    assert order(question).partition(":")[0] == order(example("y", "q1/1/0")).partition(":")[0]
    assert drawn(HashOrder("s", by="prompt"), "a") != drawn(HashOrder("t", by="prompt"), "a")
    with pytest.raises(TypeError, match="orders examples, and this is a prompt"):
        HashOrder("s", by="prompt")(prompts(1)[0])
