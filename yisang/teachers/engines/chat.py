"""From messages to tokens and from tokens to text, for the engines that hold the model's tokenizer themselves."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from yisang.filters.cot import CLOSE, OPEN
from yisang.records import Message
from yisang.teachers.engines.base import begun
from yisang.teachers.generation import Generation, Usage, generation


def prompt_of(tokenizer: Any, messages: Sequence[Message], thinking: bool) -> tuple[list[int], bool]:
    """The prompt's tokens by the model's chat template, with the beginning of the answer where the messages have one, and whether
    the template has opened the block of thought."""
    question, beginning = begun(messages)
    rendered = tokenizer.apply_chat_template(
        [{"role": message.role, "content": message.content} for message in question],
        tokenize=False,
        add_generation_prompt=True,
        enable_thinking=thinking,
    )
    opened = rendered.rstrip().endswith(OPEN)
    if beginning:
        # Behind the template's own words, which may have opened the block already: templates rewrite a past turn's thoughts.
        rendered = (rendered.rstrip().removesuffix(OPEN) if opened else rendered) + beginning
        opened = False
    return tokenizer(rendered, add_special_tokens=False)["input_ids"], opened


def text_of(tokenizer: Any, ids: Sequence[int], ends: Collection[int]) -> str:
    """The text without special tokens, but with the think tags where a tokenizer counts them among these."""
    added = tokenizer.added_tokens_decoder
    marked = {number for number, token in added.items() if token.special} | set(tokenizer.all_special_ids)
    tags = {number for number, token in added.items() if str(token) in (OPEN, CLOSE)}
    hidden = (marked - tags) | set(ends)
    return str(tokenizer.decode([i for i in ids if i not in hidden], clean_up_tokenization_spaces=False))


def answer_of(text: str, opened: bool, finish_reason: str, prompt: int, drawn: int) -> Generation:
    """An answer of `drawn` tokens to a prompt of `prompt`."""
    if opened:
        # The template has opened the block. The text must show it, or a cut think would pass for an answer.
        text = f"{OPEN}\n{text}"
    usage = Usage(prompt_tokens=prompt, completion_tokens=drawn)
    return generation(text, finish_reason=finish_reason, usage=usage)
