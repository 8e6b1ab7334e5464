"""The first checks of a trace: each gives a verdict and keeps the trace, whatever it finds."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from yisang.errors import UsageError
from yisang.filters.cot import AnswerLanguage, Finish, Structure, ThinkShare, TokenLimit, judged, split_think
from yisang.filters.keep import Keep
from yisang.languages import load
from yisang.pipelines.identity import identity
from yisang.records import Drop, Prompt, Trace

QUESTION = Prompt(id="p", text="곰은 몇 마리인가?", language="ko")
CHECKS = (Structure(), ThinkShare("ko"), AnswerLanguage("ko"), Finish(), TokenLimit(100))
GOOD = "<think>\nThe number of 곰은 is 3, as it is said.\n</think>\n\n곰은 3마리이다."


def trace(text=GOOD, **changes):
    think, answer, _ = split_think(text)
    fields = {"finish_reason": "stop", "usage": {"completion_tokens": 40}, "think": think, "answer": answer}
    return Trace(id="p/0", prompt=QUESTION, sample=0, text=text, teacher="t", revision="1", **{**fields, **changes})


def think(text):
    return trace(f"<think>{text}</think>답")


def answer(text):
    return trace(f"<think>a</think>{text}")


def verdict(check, trace):
    found = check(trace)
    assert isinstance(found, Trace)
    (name,) = set(found.verdicts) - set(trace.verdicts)
    return found.verdicts[name]


def test_a_good_trace_passes_all_and_nothing_else_of_it_changes():
    found = trace()
    for check in CHECKS:
        found = check(found)
    assert found.verdicts == {
        "structure": "one",
        "think_share": "in_band",
        "answer_language": "target",
        "finish": "stop",
        "tokens": "within",
    }
    assert judged(trace(), found.verdicts, found.measures) == found
    keep = Keep(verdicts={name: (value,) for name, value in found.verdicts.items()})
    assert keep(found) is found
    bad = CHECKS[0](judged(trace("<think>a"), {**found.verdicts}, found.measures))
    assert isinstance(keep(bad), Drop)


def test_verdicts_and_measures_of_earlier_checks_stay():
    found = Finish()(judged(trace(), {"other": "x"}, {"size": 1}))
    assert found.verdicts == {"other": "x", "finish": "stop"}
    assert found.measures == {"size": 1}


# Structure


@pytest.mark.parametrize(
    ("text", "expected"),
    [("<think>a</think>b", "one"), ("b", "absent"), ("<think>a", "unclosed"), ("<think></think>b", "empty"),
     ("<think>a</think>", "no_answer"), ("x<think>a</think>b", "leading_text"), ("<think>a</think></think>", "several")],
)  # fmt: skip
def test_structure_is_read_from_the_raw_text(text, expected):
    found = Structure()(trace(text, think="stale", answer="stale"))
    assert found.verdicts == {"structure": expected}
    assert (found.think, found.answer, expected) == split_think(text)


# ThinkShare: 2 of 20 letters are 0.1


@pytest.mark.parametrize(
    ("text", "expected"),
    [("x" * 95 + "가" * 5, "in_band"), ("x" * 80 + "가" * 20, "in_band"), ("x" * 96 + "가" * 4, "low"),
     ("x" * 79 + "가" * 21, "high"), ("x" * 100, "low"), ("가" * 100, "high"), ("1 + 1 = 2", "missing"), ("", "missing")],
)  # fmt: skip
def test_the_ends_of_the_band_are_inside(text, expected):
    assert verdict(ThinkShare("ko"), think(text)) == expected


def test_what_was_measured_is_stored_beside_the_share():
    found = ThinkShare("ko", strip=("latex",))(think("x" * 18 + "$abc$" + "가나"))
    assert found.measures == {
        "think_target_share": 0.1,
        "think_target_share_numerator": "syllables+jamo+compatibility_jamo",
        "think_target_share_denominator": "letters",
        "think_target_share_scope": "think",
        "think_target_share_strip": "latex",
    }


def test_only_the_think_part_counts():
    # The answer is Korean by demand: over the whole text nearly every good trace would be too high.
    found = trace("<think>" + "x" * 90 + "가" * 10 + "</think>" + "나" * 400)
    assert verdict(ThinkShare("ko"), found) == "in_band"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [({}, "high"), ({"denominator": "characters"}, "in_band"), ({"blocks": ("hanja",)}, "low"), ({"high": 0.6}, "in_band"),
     ({"low": 0.6, "high": 0.7}, "low")],
)  # fmt: skip
def test_the_parameters_of_the_share_count(changes, expected):
    assert verdict(ThinkShare("ko", **changes), think("가나 ab 1234567890" + " " * 3 + "1")) == expected


def test_a_trace_without_think_is_missing_not_low():
    assert verdict(ThinkShare("ko"), trace("b")) == "missing"
    assert ThinkShare("ko")(trace("b")).measures["think_target_share"] is None


def test_another_language_is_another_file():
    text = think("x" * 90 + "東京から" + "x" * 6)
    assert verdict(ThinkShare("ja", 0.01, 0.1), text) == "in_band"
    assert verdict(ThinkShare("ko", 0.01, 0.1), text) == "low"


# AnswerLanguage


@pytest.mark.parametrize(
    ("text", "expected"),
    [("곰은 3마리이다.", "target"), ("There are 3 bears.", "other"), ("가나다abcdefg", "target"), ("가나 abcde fgh", "other"),
     (r"\(x + y\) 곰은 셋", "target"), ("답은\n```python\nprint('many letters of code here')\n```", "target"),
     (r"\boxed{42}", "no_letters"), (r"답: \boxed{42}", "target"), (r"\begin{align} ab \end{align} 곰", "target"),
     (r"\boxed{\text{lions}}", "other"), ("42", "no_letters"), (r"$\frac{a}{b}$", "no_letters"), ("`code`", "no_letters"),
     ("", "missing")],
)  # fmt: skip
def test_the_language_of_the_answer(text, expected):
    assert verdict(AnswerLanguage("ko"), answer(text)) == expected


def test_code_and_formulas_count_where_the_recipe_wants_it():
    text = answer("답은\n```\nmany letters of code here\n```")
    assert verdict(AnswerLanguage("ko"), text) == "target"
    assert verdict(AnswerLanguage("ko", strip=()), text) == "other"


@pytest.mark.parametrize("text", ["<think>a", "<think>a</think><think>b</think>c"])
def test_an_answer_that_cannot_be_told_is_missing(text):
    assert verdict(AnswerLanguage("ko"), trace(text)) == "missing"
    assert AnswerLanguage("ko")(trace(text)).measures["answer_target_share"] is None


# Finish, TokenLimit


@pytest.mark.parametrize(("reason", "expected"), [("stop", "stop"), ("length", "length"), ("", "unknown"), ("x", "x")])
def test_finish_is_what_the_engine_reported(reason, expected):
    assert verdict(Finish(), trace(finish_reason=reason)) == expected


@pytest.mark.parametrize(
    ("usage", "expected"),
    [({"completion_tokens": 99}, "within"), ({"completion_tokens": 100}, "within"), ({"completion_tokens": 101}, "over"),
     ({"completion_tokens": 0}, "within"), ({}, "unknown"), ({"prompt_tokens": 5}, "unknown")],
)  # fmt: skip
def test_the_limit_is_measured_by_reported_tokens_and_never_guessed(usage, expected):
    found = TokenLimit(100)(trace("x" * 10_000, usage=usage))
    assert found.verdicts == {"tokens": expected}
    assert found.measures == {"completion_tokens": usage.get("completion_tokens")}


def words(text):
    return len(text.split())


def test_a_counter_counts_where_nothing_was_reported():
    assert verdict(TokenLimit(3, words), trace("a b c", usage={})) == "within"
    assert verdict(TokenLimit(2, words), trace("a b c", usage={})) == "over"
    assert verdict(TokenLimit(2, words), trace("a b c", usage={"completion_tokens": 1})) == "within"
    assert verdict(TokenLimit(2, words, reported=False), trace("a b c", usage={"completion_tokens": 1})) == "over"


# As steps of a recipe


@pytest.mark.parametrize(
    ("make", "words"),
    [(lambda: ThinkShare("ko", 0.3, 0.2), "low not above high"), (lambda: ThinkShare("ko", -1), "must be shares"),
     (lambda: ThinkShare("xx"), "no language 'xx'"), (lambda: ThinkShare("ko", blocks=("latin",)), "blocks is"),
     (lambda: ThinkShare("ko", strip=("maths",)), "strip is"), (lambda: ThinkShare("ko", denominator="x"), "denominator"),
     (lambda: AnswerLanguage("ko", 2), "share between 0 and 1"), (lambda: AnswerLanguage("xx"), "no language 'xx'"),
     (lambda: TokenLimit(0), "must be 1 or more")],
)  # fmt: skip
def test_a_wrong_parameter_is_refused_when_the_recipe_is_made(make, words):
    with pytest.raises(UsageError, match=words):
        make()


def test_identities_tell_all_settings_apart():
    checks = [
        *CHECKS, ThinkShare("ja"), ThinkShare("ko", 0.06), ThinkShare("ko", high=0.3), ThinkShare("ko", strip=("code",)),
        ThinkShare("ko", denominator="nonspace"), ThinkShare("ko", blocks=("syllables",)), AnswerLanguage("ja"),
        AnswerLanguage("ko", 0.6), AnswerLanguage("ko", strip=()), TokenLimit(101), TokenLimit(100, words),
        TokenLimit(100, words, reported=False),
    ]  # fmt: skip
    assert len({repr(identity(check, "test")) for check in checks}) == len(checks)


@pytest.mark.parametrize("check", [ThinkShare, AnswerLanguage])
def test_a_changed_language_file_changes_the_identity(check, tmp_path, monkeypatch):
    before = check("ko")
    shipped = Path(load.__code__.co_filename).with_name("ko.toml").read_text(encoding="utf-8")
    (tmp_path / "ko.toml").write_text(shipped + "\n# changed\n", encoding="utf-8")
    monkeypatch.setenv("YISANG_LANGUAGES", str(tmp_path))
    assert check("ko").identity() != before.identity()


@pytest.mark.parametrize("check", CHECKS)
def test_a_check_survives_pickling(check):
    again = pickle.loads(pickle.dumps(check))
    assert again == check
    assert again(trace()) == check(trace())
