"""Keep decides on what is stored; what is not stored is never a pass."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yisang.errors import UsageError
from yisang.filters.keep import Keep
from yisang.filters.stored import NotMeasured
from yisang.records import Drop, Prompt, Trace

BAND = Keep(measures={"think_target_share": (0.05, 0.20)})


def trace(verdicts: dict[str, str] | None = None, **measures) -> Trace:
    prompt = Prompt(id="p", text="?", language="ko")
    return Trace(
        id="p/0",
        prompt=prompt,
        sample=0,
        text="",
        teacher="t",
        revision="1",
        verdicts=verdicts or {},
        measures=measures,
    )


def reason(outcome: Trace | Drop) -> str:
    return outcome.reason if isinstance(outcome, Drop) else "kept"


@pytest.mark.parametrize(
    ("share", "expected"),
    [
        (0.0, "think_target_share_low"),
        (0.04999, "think_target_share_low"),
        (0.05, "kept"),
        (0.1, "kept"),
        (0.20, "kept"),
        (0.20001, "think_target_share_high"),
        (1, "think_target_share_high"),
        (None, "think_target_share_missing"),
        (float("nan"), "think_target_share_low"),
    ],
)
def test_both_ends_of_a_band_stay(share, expected):
    assert reason(BAND(trace(think_target_share=share))) == expected


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_keeps_exactly_what_is_within_bounds(share, one, other):
    low, high = sorted((one, other))
    outcome = Keep(measures={"x": (low, high)})(trace(x=share))
    assert isinstance(outcome, Trace) == (low <= share <= high)


def test_an_end_may_be_open():
    assert reason(Keep(measures={"x": (None, 5)})(trace(x=-100))) == "kept"
    assert reason(Keep(measures={"x": (None, 5)})(trace(x=6))) == "x_high"
    assert reason(Keep(measures={"x": (5, None)})(trace(x=10**9))) == "kept"
    assert reason(Keep(measures={"x": (5, None)})(trace(x=4))) == "x_low"


def test_a_verdict_decides_by_its_word():
    keep = Keep(verdicts={"structure": ("one", "absent")})
    words = ("one", "absent", "several", "unclosed")
    assert [reason(keep(trace({"structure": word}))) for word in words] == [
        "kept",
        "kept",
        "structure_several",
        "structure_unclosed",
    ]


def test_drops_say_why():
    assert Keep(verdicts={"structure": ("one", "absent")})(trace({"structure": "several"})) == Drop(
        "structure_several", {"structure": "several", "allowed": ["absent", "one"]}
    )
    assert BAND(trace(think_target_share=0.5)) == Drop(
        "think_target_share_high", {"think_target_share": 0.5, "low": 0.05, "high": 0.2}
    )


def test_a_kept_trace_is_untouched():
    record = trace(think_target_share=0.1)
    assert BAND(record) is record


def test_verdicts_decide_before_measures_and_by_name():
    keep = Keep(verdicts={"b": ("x",), "a": ("x",)}, measures={"z": (0, 1), "y": (0, 1)})
    assert reason(keep(trace({"a": "no", "b": "no"}, y=5, z=5))) == "a_no"
    assert reason(keep(trace({"a": "x", "b": "no"}, y=5, z=5))) == "b_no"
    assert reason(keep(trace({"a": "x", "b": "x"}, y=5, z=5))) == "y_high"
    assert reason(keep(trace({"a": "x", "b": "x"}, y=1, z=-5))) == "z_low"


def check_never_passes_unseen(keep) -> None:
    with pytest.raises(KeyError, match=r"Trace p/0 has no verdict 'structrue' \(it has: structure\)"):
        keep(trace({"structure": "one"}))


def test_a_verdict_that_no_check_gave_is_an_error():
    check_never_passes_unseen(Keep(verdicts={"structrue": ("one",)}))


def test_a_keep_that_passes_what_it_does_not_find_would_be_seen():
    with pytest.raises(pytest.fail.Exception):
        check_never_passes_unseen(lambda record: record if record.verdicts.get("structrue", "one") == "one" else None)


def test_a_missing_verdict_is_found_even_where_another_one_already_drops():
    with pytest.raises(NotMeasured):
        Keep(verdicts={"a": ("x",), "b": ("x",)})(trace({"a": "no"}))


def test_a_measure_that_no_check_took_is_an_error():
    with pytest.raises(NotMeasured, match=r"no measure 'think_target_share'.*Add the check"):
        BAND(trace(share=0.1))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({}, "would keep everything"),
        ({"verdicts": {"a": ()}}, "verdict a allows"),
        ({"verdicts": {"a": "one"}}, "verdict a allows 'one'"),
        ({"verdicts": {"a": (1,)}}, "verdict a allows"),
        ({"measures": {"x": (1, 0)}}, "low must not be above high"),
        ({"measures": {"x": (None, None)}}, "one must be set"),
        ({"measures": {"x": (1,)}}, "give .low, high."),
        ({"measures": {"x": 0.5}}, "give .low, high."),
        ({"measures": {"x": ("0", 1)}}, "no number"),
        ({"measures": {"x": (True, 1)}}, "no number"),
        ({"measures": {"x": (float("nan"), 1)}}, "low must not be above high"),
    ],
)
def test_rules_that_mean_nothing_are_refused(parameters, message):
    with pytest.raises(UsageError, match=message):
        Keep(**parameters)


def test_can_be_pickled_and_hashed_and_the_order_of_names_does_not_count():
    keep = Keep(verdicts={"b": ("y", "x"), "a": ["z"]}, measures={"n": [0, 1], "m": (0, None)})
    same = Keep(measures={"m": (0, None), "n": (0, 1)}, verdicts={"a": ("z",), "b": {"x", "y"}})
    assert keep == same
    assert hash(keep) == hash(same)
    assert pickle.loads(pickle.dumps(keep)) == keep
