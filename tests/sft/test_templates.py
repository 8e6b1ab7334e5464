"""The shipped chat templates write what the models' own ones write, and mark what the assistant says."""

from __future__ import annotations

from pathlib import Path

import pytest
import trl

from yisang.errors import UsageError
from yisang.records import Message
from yisang.sft.encode import Encoder, training_template
from yisang.sft.rows import Row
from yisang.sft.templates import names, shipped_template

OWN = Path(trl.__file__).parent / "chat_templates"
"""The templates of model families as their makers wrote them, which TRL carries."""
FAMILIES = {"qwen3": "qwen3", "qwen2.5": "qwen2_5", "llama3.1": "llama3_1", "gemma3": "gemma3"}
SHORT = [{"role": "user", "content": "1 + 1?"}, {"role": "assistant", "content": "<think>\nOne.\n</think>\n\n2"}]
TOLD = [{"role": "system", "content": "Be brief."}, *SHORT]


@pytest.fixture
def tokens(tokenizer):
    from transformers import AutoTokenizer

    found = AutoTokenizer.from_pretrained(tokenizer)
    found.bos_token = "<|pad|>"
    return found


def own(family: str) -> str:
    return (OWN / f"{FAMILIES[family]}.jinja").read_text(encoding="utf-8")


@pytest.mark.parametrize("talk", [SHORT, TOLD], ids=["short", "told"])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_question_and_its_answer_stand_as_the_model_knows_them(tokens, family, talk):
    def written(template: str, messages: list[dict[str, str]], **options) -> str:
        return str(tokens.apply_chat_template(messages, chat_template=template, tokenize=False, **options))

    theirs, ours = own(family), shipped_template(family)
    assert written(ours, talk).strip() == written(theirs, talk).strip()
    assert written(ours, talk[:-1], add_generation_prompt=True) == written(
        theirs, talk[:-1], add_generation_prompt=True
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_a_model_without_marks_gets_the_template_of_its_family(tokens, family):
    tokens.chat_template = own(family)
    assert training_template(tokens, "auto") == shipped_template(family)


@pytest.mark.parametrize("name", names())
def test_every_turn_of_the_assistant_is_learned_whole(tokens, name):
    talk = [
        ("user", "1?"),
        ("assistant", "<think>\nA\n</think>\n\n2"),
        ("user", "3?"),
        ("assistant", "<think>\nB\n</think>\n\n4"),
    ]
    encode = Encoder(tokens, shipped_template(name), "assistant")
    found = encode(Row("a", tuple(Message(role, text) for role, text in talk)))
    learned = [tokens.decode(found.ids[start:end]) for start, end in found.spans]
    assert [text.partition("</think>")[2].strip()[0] for text in learned] == ["2", "4"]
    for text, (_, said) in zip(learned, talk[1::2], strict=True):
        assert text.startswith(said)
        assert text != said  # and its end, or an answer would never learn to end
    assert not any("?" in text for text in learned)


TALKS = [
    ("system", "user", "assistant"),
    ("system", "assistant", "user", "assistant"),
    ("user", "system", "assistant"),
    ("system", "system", "user", "assistant"),
    ("assistant", "user", "assistant"),
]


@pytest.mark.parametrize("roles", TALKS, ids="-".join)
@pytest.mark.parametrize("name", names())
def test_no_message_is_lost_without_a_word(tokens, name, roles):
    row = Row("r", tuple(Message(role, f"say{number}") for number, role in enumerate(roles)))
    try:
        found = Encoder(tokens, shipped_template(name), "assistant")(row)
    except UsageError as error:
        assert "a system message stands only at the beginning" in str(error)
        return
    written = tokens.decode(found.ids)
    assert all(message.content in written for message in row.messages)


@pytest.mark.parametrize("family", ["qwen3"])
def test_the_models_own_template_would_lose_thoughts(tokens, family):
    """The wrong twin: past turns without their think part, which then were never learned."""
    talk = [*SHORT, {"role": "user", "content": "3?"}, {"role": "assistant", "content": "4"}]
    assert "One." not in tokens.apply_chat_template(talk, chat_template=own(family), tokenize=False)
    assert "One." in tokens.apply_chat_template(talk, chat_template=shipped_template(family), tokenize=False)


def test_a_template_that_no_shipped_one_writes_like_is_refused(tokens):
    tokens.chat_template = own("qwen3").replace("<|im_end|>", "<|end|>")
    with pytest.raises(UsageError, match=r"none of the shipped ones .* writes a question and its answer as it does"):
        training_template(tokens, "auto")


def test_what_cannot_be_used_is_said(tokens, tmp_path):
    tokens.chat_template = None
    with pytest.raises(UsageError, match="has no chat template"):
        training_template(tokens, "auto")
    with pytest.raises(UsageError, match="neither a file nor one of chatml"):
        training_template(tokens, "none")
    (tmp_path / "a.jinja").write_text("{{ messages }}")
    with pytest.raises(UsageError, match="put .* around it"):
        training_template(tokens, str(tmp_path / "a.jinja"))
    with pytest.raises(UsageError, match="cannot write the row r: "):
        Encoder(tokens, "{{ messages.x.y }}{% generation %}{% endgeneration %}", "assistant")(
            Row("r", (Message("user", "x"),))
        )
