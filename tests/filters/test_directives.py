"""A directive goes round a question and leaves it as it is; who follows it is graded right."""

from __future__ import annotations

import pickle
from collections import Counter
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import yisang.languages
from yisang.errors import UsageError
from yisang.filters.directives import ShowOptions, StyleDirective, directives
from yisang.filters.grade import ProveGold
from yisang.filters.options import shown
from yisang.grading import GradeSettings, grade
from yisang.languages import codes, load
from yisang.records import Drop, Licence, Prompt

FREE = Licence(id="CC-BY-4.0", letter="A", evidence="written for the tests")
CLOSED = Licence(id="CC-BY-ND-4.0", letter="B", evidence="written for the tests", derive=False)


def question(number: int = 0, **fields) -> Prompt:
    given = {
        "id": f"q{number}",
        "text": f"{number}번 계절은 무엇인가?",
        "language": "ko",
        "kind": "mcq",
        "gold": "2",
        "options": ("봄", "여름", "가을"),
        "licence": FREE,
        "measures": {"family": "season"},
    }
    return Prompt(**{**given, **fields})


@pytest.mark.parametrize("code", codes())
def test_every_language_has_two_or_more_of_each_form_and_who_follows_one_is_right(code: str) -> None:
    found = directives(load(code))
    assert all(count >= 2 for count in Counter(directive.form for directive in found).values())
    assert {directive.form for directive in found} == {"box", "line"}
    held = question(language=code)
    for directive in found:
        for graded_by in [GradeSettings(), GradeSettings(fallback=("marker",))][directive.form == "line" :]:
            verdicts = [
                grade(held, f"...\n{directive.answer.replace('{n}', str(n))}", graded_by).verdict for n in (1, 2, 3)
            ]
            assert verdicts == ["wrong", "correct", "wrong"], directive


def test_the_question_is_untouched_before_or_behind_its_directive() -> None:
    children = [StyleDirective("ko", share=1.0)(question(number)) for number in range(200)]
    for number, child in enumerate(children):
        said = str(child.measures["directive"])
        behind = child.measures["directive_place"] == "behind"
        parts = [question(number).text, said] if behind else [said, question(number).text]
        assert child.text == "\n\n".join(parts)
        expected = msgspec.structs.replace(
            question(number),
            id=f"q{number}/0",
            parents=(f"q{number}",),
            text=child.text,
            measures=child.measures,
        )
        assert child == expected
        assert child.measures["family"] == "season"
    assert {child.measures["directive"] for child in children} == {each.text for each in directives(load("ko"))}
    assert 70 < sum(child.measures["directive_place"] == "behind" for child in children) < 130


def test_the_share_is_that_of_the_questions_and_the_same_ones_each_time() -> None:
    def styled(share: float, salt: str = "") -> set[str]:
        step = StyleDirective("ko", share=share, salt=salt)
        return {held.id for held in map(question, range(1000)) if step(held).measures["directive"]}

    assert not styled(0)
    assert len(styled(1)) == 1000
    assert 240 < len(styled(0.3)) < 360
    assert styled(0.3) == styled(0.3) < styled(0.6)
    assert styled(0.3) != styled(0.3, "other")


@pytest.mark.parametrize(
    ("fields", "why"),
    [({"licence": CLOSED}, "no_derivatives"), ({"kind": "math"}, "not_mcq"), ({"language": "ja"}, "other_language")],
)
def test_what_may_not_be_changed_passes_with_the_reason(fields: dict, why: str) -> None:
    held = question(**fields)
    passed = StyleDirective("ko", share=1.0)(held)
    assert passed.measures["directive_why"] == why
    assert passed.measures["directive"] is None
    assert msgspec.structs.replace(passed, measures=held.measures) == held


def test_a_form_can_be_chosen_and_bears_identity() -> None:
    step = StyleDirective("ko", share=1.0, forms=("line",))
    assert {step(question(number)).measures["directive_form"] for number in range(50)} == {"line"}
    assert step.identity() != StyleDirective("ko", share=1.0).identity()
    assert pickle.loads(pickle.dumps(step)) == step


def test_a_gold_is_proved_in_the_form_that_is_asked_for() -> None:
    styled = StyleDirective("ko", share=1.0, forms=("line",))(question())
    assert ProveGold("ko", GradeSettings(fallback=("marker",)))(styled) == styled
    # Without the fallback an answer in that form would never be graded: told before a teacher is paid for it.
    refused = ProveGold("ko")(styled)
    assert isinstance(refused, Drop)
    assert (refused.reason, refused.evidence["verdict"]) == ("gold_unproved", "unparsed")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"share": 1.5}, "share is 1.5"),
        ({"forms": ()}, "forms is"),
        ({"forms": "box"}, "forms is"),
        ({"forms": ("song",)}, "forms is"),
    ],
)
def test_a_setting_that_means_nothing_is_refused(settings: dict, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        StyleDirective("ko", **settings)


@pytest.mark.parametrize(
    ("right", "wrong", "words"),
    [
        ("answer = '\\boxed{{n}}'", "answer = '\\boxed{3}'", "entry 1 of 'box' needs a text, and one {n}"),
        (
            "[[directives.box]]\ntext =",
            "[[directives.box]]\ntxet =",
            "entry 1 of 'box' must be a table with text and answer",
        ),
        ("[[directives.line]]", "[[directives.song]]", "'song' must be one of box, line"),
    ],
)
def test_a_faulty_table_is_refused_by_its_place(
    right: str, wrong: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (Path(yisang.languages.__file__).parent / "en.toml").read_text("utf-8")
    assert right in text
    (tmp_path / "en.toml").write_text(text.replace(right, wrong), "utf-8")
    monkeypatch.setenv("YISANG_LANGUAGES", str(tmp_path))
    with pytest.raises(UsageError, match=words.replace("{", r"\{")):
        StyleDirective("en")


def test_a_language_without_directives_is_told_what_to_add(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (Path(yisang.languages.__file__).parent / "en.toml").read_text("utf-8")
    (tmp_path / "en.toml").write_text(text.replace("[[directives.line]]", "[[directives.box]]"), "utf-8")
    monkeypatch.setenv("YISANG_LANGUAGES", str(tmp_path))
    with pytest.raises(UsageError, match=r"en has no \[\[directives.line\]\]"):
        StyleDirective("en")


# Options under the question


def test_options_are_written_under_the_question_once() -> None:
    shown = ShowOptions()(question())
    assert shown.text == "0번 계절은 무엇인가?\n\n1. 봄\n2. 여름\n3. 가을"
    assert shown.id == question().id
    assert ShowOptions()(shown) == shown
    numbers = question(text="2, 3, 5 가운데 짝수는?", options=("2", "3", "5"))
    assert ShowOptions()(numbers).text.endswith("1. 2\n2. 3\n3. 5")


@given(
    st.text(min_size=1, max_size=30),
    st.lists(st.text(min_size=1, max_size=12).filter(str.strip), min_size=2, max_size=10).map(tuple),
)
@settings(deadline=None)
def test_what_is_shown_is_known_to_be_shown(text: str, options: tuple[str, ...]) -> None:
    held = ShowOptions()(question(text=text, options=options))
    assert shown(held.text, options)
    assert ShowOptions()(held) == held
    assert held.options == options


def test_other_questions_show_none() -> None:
    for held in (question(kind="open"), question(options=())):
        assert ShowOptions()(held) is held
