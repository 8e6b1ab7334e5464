"""The tokenizer of the small models: names, particles and digits as they help, and text back as it was."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yisang.errors import UsageError
from yisang.sft.config import Data, TaskSet, Tokenizer
from yisang.sft.rows import rows_of
from yisang.sft.tokenizer import instructions, train_tokenizer


@pytest.fixture(scope="module")
def found(tokenizer):
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(tokenizer)


def pieces(found, text: str) -> list[str]:
    return [found.decode([token]) for token in found(text)["input_ids"]]


def test_a_name_is_one_token_and_its_topic_form_another(found):
    assert pieces(found, "\n사자는 곰보다 4마리 많다. 사자의 수")[1:4] == [" 사자는", " 곰", "보다"]
    assert pieces(found, "\n사자는 곰보다 4마리 많다. 사자의 수")[-3:] == [" 사자", "의", " 수"]
    assert pieces(found, "\nLions are 4 more than bears.")[1] == " Lions"
    assert " bears" in pieces(found, "\nLions are 4 more than bears.")


def test_a_name_looks_the_same_at_the_start_of_a_line(found):
    start, within = found("\n곰은 3마리이다.")["input_ids"], found("양은 2마리이다. 곰은 3마리이다.")["input_ids"]
    assert start[1:] == within[-len(start) + 1 :]


def test_digits_stand_alone(found):
    assert pieces(found, " 13 + 9 = 22마리")[:7] == [" 1", "3", " +", " 9", " =", " 2", "2"]


def test_an_instruction_is_one_token(found):
    for text in instructions(("ko", "en")):
        assert len(found(text)["input_ids"]) == 1


@pytest.mark.parametrize("skill", ["solve", "translate", "crosslingual", "drill"])
@pytest.mark.parametrize("mode", ["target_only", "mixed", "english_only"])
def test_a_row_comes_back_as_it_was(found, skill, mode):
    for row in rows_of(Data(rows=30, tasks=TaskSet(skill=skill, mode=mode, seed=9)), 0):
        for text in [row.text] if row.text else [message.content for message in row.messages]:
            assert found.decode(found(text)["input_ids"]) == text


@given(st.text(alphabet="가나다사자곰은는 ab12.\n\t“”<>/漢é😀", max_size=40))
def test_any_text_comes_back(found, text):
    assert found.decode(found(text)["input_ids"]) == text


def test_the_same_texts_give_the_same_tokenizer():
    texts = ["사자는 3마리이다. 곰은 사자보다 4마리 많다."] * 5
    first, second = (train_tokenizer(texts, Tokenizer(vocabulary=600)) for _ in range(2))
    assert first.get_vocab() == second.get_vocab()
    assert len(first) <= 600


def test_too_small_a_vocabulary_is_refused():
    with pytest.raises(UsageError, match=r"tokenizer.vocabulary is 100; it must be above"):
        train_tokenizer(["a"], Tokenizer(vocabulary=100))
