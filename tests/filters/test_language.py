"""TargetShare measures, MinShare decides; another language is other data and nothing else."""

from __future__ import annotations

import pickle
from dataclasses import dataclass

import pytest

from yisang.errors import UsageError
from yisang.filters.language import MinShare, TargetShare
from yisang.filters.stored import NotMeasured
from yisang.records import Drop, Page, Prompt, Record, Trace, with_measures


def prompt(text: str, **measures) -> Prompt:
    return Prompt(id="p", text=text, language="ko", measures=measures)


def trace(think: str | None, answer: str | None) -> Trace:
    text = f"<think>\n{think}\n</think>\n\n{answer}"
    return Trace(
        id="p/0",
        prompt=prompt("?"),
        sample=0,
        text=text,
        think=think,
        answer=answer,
        teacher="t",
        revision="1",
    )


def test_a_prompt_gets_the_share_and_of_what_it_is_one():
    assert TargetShare()(prompt("가나 ab 12")) == {
        "target_share": 0.5,
        "target_share_numerator": "syllables+jamo+compatibility_jamo",
        "target_share_denominator": "letters",
        "target_share_scope": "text",
    }


def test_parameters_reach_the_measure_and_the_row():
    step = TargetShare(blocks=("syllables",), denominator="nonspace", strip=("code", "urls"))
    assert step(prompt("가ㅋ 1 `code`")) == {
        "target_share": 1 / 3,
        "target_share_numerator": "syllables",
        "target_share_denominator": "nonspace",
        "target_share_scope": "text",
        "target_share_strip": "code+urls",
    }


def test_no_letters_is_no_share():
    assert TargetShare()(prompt("1 + 2"))["target_share"] is None


def test_the_parts_of_a_trace_are_measured_apart_and_stored_apart():
    record = trace("ab가", "가나다")
    measures = {**TargetShare(scope="think")(record), **TargetShare(scope="answer")(record)}
    assert measures["think_target_share"] == 1 / 3
    assert measures["think_target_share_scope"] == "think"
    assert measures["answer_target_share"] == 1.0
    assert TargetShare()(record)["target_share"] == 4 / 16  # the whole answer, tags and all


def test_a_trace_without_the_part_has_no_share():
    assert TargetShare(scope="think")(trace(None, "가"))["think_target_share"] is None


@pytest.mark.parametrize(
    ("step", "record"),
    [
        (TargetShare(scope="think"), prompt("가")),
        (TargetShare(), Page(id="x", url="https://a.example")),
    ],
)
def test_what_has_no_such_part_cannot_be_measured(step, record):
    with pytest.raises(TypeError, match="cannot measure"):
        step(record)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"language": "xx"}, "no language 'xx'"),
        ({"scope": "body"}, "one of text, think, answer"),
        ({"blocks": ("latin",)}, "language ko has"),
        ({"denominator": "words"}, "denominator"),
        ({"strip": ("html",)}, "strip"),
    ],
)
def test_wrong_parameters_fail_before_anything_starts(parameters, message):
    with pytest.raises(UsageError, match=message):
        TargetShare(**parameters)


def test_identity_has_every_parameter_and_the_digest_of_the_language_file():
    step = TargetShare(blocks=["jamo"], strip=["code"])
    assert step.identity() == {
        "language": "ko",
        "language_digest": step.identity()["language_digest"],
        "blocks": ("jamo",),
        "denominator": "letters",
        "scope": "text",
        "strip": ("code",),
    }
    assert len(step.identity()["language_digest"]) == 64
    assert hash(step) == hash(TargetShare(blocks=("jamo",), strip=("code",)))


def language_file(folder, blocks: str) -> None:
    folder.mkdir()
    (folder / "ka.toml").write_text(
        f'name = "Georgian"\nnative_name = "ქართული"\n[script]\ndefault = ["main"]\n[script.blocks]\nmain = {blocks}\n'
    )


def test_a_changed_language_file_is_another_identity(tmp_path, monkeypatch):
    identities = []
    for name, blocks in (("a", '["10D0-10FF"]'), ("b", '["10D0-10FA"]'), ("c", '["10D0-10FF"]')):
        language_file(tmp_path / name, blocks)
        monkeypatch.setenv("YISANG_LANGUAGES", str(tmp_path / name))
        identities.append(TargetShare("ka").identity())
    assert identities[0] != identities[1]
    assert identities[0] == identities[2]  # the folder does not matter


def test_a_worker_without_the_language_file_measures_the_same(tmp_path, monkeypatch):
    language_file(tmp_path / "own", '["10D0-10FF"]')
    monkeypatch.setenv("YISANG_LANGUAGES", str(tmp_path / "own"))
    sent = pickle.dumps(TargetShare("ka"))
    monkeypatch.delenv("YISANG_LANGUAGES")
    with pytest.raises(UsageError):
        TargetShare("ka")
    assert pickle.loads(sent)(prompt("აბ cd"))["target_share"] == 0.5
    assert pickle.loads(sent).identity() == pickle.loads(sent).identity()


def check_the_floor_stays(floor: MinShare) -> None:
    kept = [
        share
        for share in (0.0, 0.29999, 0.3, 0.30001, 1.0)
        if floor(prompt("x", target_share=share)).__class__ is Prompt
    ]
    assert kept == [0.3, 0.30001, 1.0]


def test_exactly_the_floor_stays():
    check_the_floor_stays(MinShare())
    # 3 of 10 letters, measured: the division must not fall below the bound either
    record = prompt("가나다abcdefg")
    assert MinShare()(with_measures(record, TargetShare()(record))).measures["target_share"] == 0.3


def test_a_filter_that_drops_its_floor_would_be_seen():
    @dataclass(frozen=True)
    class Exclusive(MinShare):
        def __call__(self, record: Record) -> Record | Drop:
            return record if record.measures[self.measure] > self.low else Drop("low")

    with pytest.raises(AssertionError):
        check_the_floor_stays(Exclusive())


def test_drops_say_why():
    assert MinShare()(prompt("x", target_share=0.1)) == Drop("target_share_low", {"target_share": 0.1, "low": 0.3})
    assert MinShare()(prompt("1", target_share=None)) == Drop("no_letters", {"target_share": None, "low": 0.3})


def test_another_measure_can_be_asked_for():
    record = prompt("x", target_share=1.0, answer_target_share=0.4)
    floor = MinShare(0.5, "answer_target_share")
    assert floor(record) == Drop("answer_target_share_low", {"answer_target_share": 0.4, "low": 0.5})


def test_a_record_that_was_not_measured_is_an_error_that_names_the_step():
    with pytest.raises(NotMeasured) as caught:
        MinShare()(prompt("가", length=3))
    assert isinstance(caught.value, KeyError)
    assert str(caught.value) == (
        "Prompt p has no measure 'target_share' (it has: length). "
        "Add Each(TargetShare(...)) before Each(MinShare(...))."
    )


@pytest.mark.parametrize("value", ["0.5", True])
def test_a_measure_that_is_no_number_is_an_error(value):
    with pytest.raises(TypeError, match="no number"):
        MinShare()(prompt("가", target_share=value))


@pytest.mark.parametrize("low", [-0.1, 1.1, 30])
def test_a_floor_that_is_no_share_is_refused(low):
    with pytest.raises(UsageError, match="within 0 and 1"):
        MinShare(low)


@pytest.mark.parametrize(
    ("language", "text", "kept"),
    [
        ("ko", "파이썬에서 list를 정렬하려면 sorted()를 쓰나요?", True),
        ("ko", "How do I sort a list in Python? 감사합니다", False),
        ("ja", "Pythonでlistを並べ替えるにはどうすればいいですか", True),
        ("ja", "How do I sort a list in Python? どうも", False),
        ("ja", "파이썬에서 정렬하려면", False),
        ("en", "How do I sort a list in Python?", True),
        ("en", "파이썬에서 list를 정렬하려면 어떻게 하나요", False),
    ],
)
def test_the_same_filters_serve_every_language(language, text, kept):
    record = prompt(text)
    measured = with_measures(record, TargetShare(language)(record))
    assert isinstance(MinShare()(measured), Prompt) == kept
