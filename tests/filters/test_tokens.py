"""A row's length is counted as the student reads it: its own tokenizer, its own template, question and answer together."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from yisang.errors import UsageError
from yisang.filters.tokens import StudentTokens
from yisang.pipelines.curate import ToExample
from yisang.pipelines.identity import identity
from yisang.records import Drop, Example, Licence, Prompt, Trace
from yisang.teachers import models

pytest.importorskip("transformers")
BASE = str(models.folder("mini-base"))
FREE = Licence(id="CC0-1.0", letter="A", evidence="written for the tests")
ROW = ToExample()(
    Trace(
        id="t",
        prompt=Prompt(id="p", text="사과가 세 개 있다.", language="ko", licence=FREE),
        sample=0,
        text="<think>three</think>답은 3이다.",
        think="three",
        answer="답은 3이다.",
        teacher="m",
        revision="1",
        prompt_version="v",
        finish_reason="stop",
        licence=FREE,
    )
)
assert isinstance(ROW, Example)


def test_the_whole_conversation_counts() -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(BASE)
    plain = [{"role": message.role, "content": message.content} for message in ROW.messages]
    expected = len(
        tokenizer(tokenizer.apply_chat_template(plain, tokenize=False), add_special_tokens=False)["input_ids"]
    )
    answer = len(tokenizer(ROW.messages[1].content, add_special_tokens=False)["input_ids"])
    assert StudentTokens(BASE).count(ROW) == expected > answer


def test_the_limit_itself_stays_and_one_more_is_dropped_whole() -> None:
    count = StudentTokens(BASE).count(ROW)
    kept = StudentTokens(BASE, count)(ROW)
    assert isinstance(kept, Example)
    assert (kept.measures["student_tokens"], kept.messages) == (count, ROW.messages)
    assert StudentTokens(BASE, count - 1)(ROW) == Drop("too_many_tokens", {"tokens": count, "limit": count - 1})


def test_a_tokenizer_is_known_by_its_bytes_and_not_by_its_place(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(BASE, copy)
    assert identity(StudentTokens(str(copy)), "s") == identity(StudentTokens(BASE), "s")
    template = copy / "chat_template.jinja"
    template.write_text(template.read_text() + "\n")
    assert identity(StudentTokens(str(copy)), "s") != identity(StudentTokens(BASE), "s")
    assert identity(StudentTokens("a/b", revision="1"), "s") != identity(StudentTokens("a/b", revision="2"), "s")


@pytest.mark.parametrize(
    "name", ["special_tokens_map.json", "added_tokens.json", "config.json", "spiece.model", "tokenizer.model"]
)
def test_every_file_that_a_tokenizer_is_loaded_from_makes_it_another(name: str, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(BASE, copy)
    (copy / name).write_bytes(b"{}")
    before = identity(StudentTokens(str(copy)), "s")
    (copy / name).write_bytes(b"{ }")
    assert identity(StudentTokens(str(copy)), "s") != before


def test_a_tokenizer_that_could_not_be_loaded_is_not_asked_for_by_each_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import AutoTokenizer

    asked: list[str] = []
    whole = AutoTokenizer.from_pretrained

    def counting(name: str, **options: Any) -> Any:
        asked.append(name)
        return whole(name, **options)

    monkeypatch.setattr(AutoTokenizer, "from_pretrained", counting)
    step = StudentTokens(str(tmp_path))
    for _ in range(3):
        with pytest.raises(UsageError, match="cannot be loaded"):
            step(ROW)
    assert asked == [str(tmp_path)]
    with pytest.raises(UsageError, match="cannot be loaded"):
        step.check()
    assert len(asked) == 2
    shutil.copytree(BASE, tmp_path, dirs_exist_ok=True)
    step.check()
    assert isinstance(step(ROW), Example), "it was mended, so that the rows after the check are counted"


def test_what_is_no_tokenizer_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be loaded"):
        StudentTokens(str(tmp_path))(ROW)
    with pytest.raises(UsageError, match="limit is 0"):
        StudentTokens(BASE, 0)
    with pytest.raises(UsageError, match="name a tokenizer"):
        StudentTokens("")


def test_a_tokenizer_without_a_template_is_refused(tmp_path: Path) -> None:
    import json

    copy = tmp_path / "bare"
    shutil.copytree(BASE, copy)
    (copy / "chat_template.jinja").unlink()
    settings = json.loads((copy / "tokenizer_config.json").read_text())
    settings.pop("chat_template", None)
    (copy / "tokenizer_config.json").write_text(json.dumps(settings))
    with pytest.raises(UsageError, match="no chat template"):
        StudentTokens(str(copy))(ROW)
