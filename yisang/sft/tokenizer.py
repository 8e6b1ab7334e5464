"""A tokenizer of its own for small models: byte-level BPE behind a split that knows the names of worded tasks.

What is split how decides whether a model of a million parameters learns to look a name up (measured): a name is one token,
with the topic particle of its language another one, so that the sentence that defines it is told from those that use it;
all other particles stand apart; digits are single; and a name looks the same at the start of a text as within it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from yisang.errors import UsageError
from yisang.languages import load
from yisang.sft.config import Tokenizer
from yisang.sft.templates import shipped_template
from yisang.tasks.contexts import context as load_context
from yisang.tasks.wording import grammar

END = "<|im_end|>"
PAD = "<|pad|>"
SPECIAL = (PAD, END, "<|im_start|>")
PLAIN = ("<think>", "</think>", "<TRANSLATION>", "</TRANSLATION>")
"""Tokens that are text all the same: an answer shows them."""
INSTRUCTIONS = ("mixed", "target_only", "english_only", "translate")
"""Prompts of the language files that the small models are taught with. In this order, which decides the numbers of the tokens."""
TEMPLATE = "mini"


def train_tokenizer(texts: Iterable[str], settings: Tokenizer) -> Any:
    """A transformers tokenizer, trained on these texts. The same texts and settings give the same tokenizer."""
    from tokenizers import AddedToken, Regex, decoders, models, normalizers, pre_tokenizers, trainers
    from tokenizers import Tokenizer as Core
    from transformers import PreTrainedTokenizerFast

    told = instructions(settings.languages)
    core = Core(models.BPE())
    lexicon = name_pattern(settings)
    # A line begins with a blank, so that its first word is the token that it is elsewhere; the decoder takes it away.
    core.normalizer = normalizers.Replace("\n", "\n ")
    core.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(f" {lexicon}"), "isolated"),
            pre_tokenizers.Split(Regex(r" ?\d"), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    )
    core.decoder = decoders.Sequence([decoders.ByteLevel(), decoders.Replace("\n ", "\n")])
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    room = settings.vocabulary - len(SPECIAL) - len(PLAIN) - len(told)
    if room <= len(alphabet):
        raise UsageError(
            f"tokenizer.vocabulary is {settings.vocabulary}; it must be above {settings.vocabulary - room + 256}."
        )
    trainer = trainers.BpeTrainer(vocab_size=room, initial_alphabet=alphabet, show_progress=False)
    core.train_from_iterator(_without(texts, (*SPECIAL, *PLAIN, *told)), trainer)
    core.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in SPECIAL])
    core.add_tokens([AddedToken(token, special=False, normalized=False) for token in (*PLAIN, *told)])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core, eos_token=END, pad_token=PAD, clean_up_tokenization_spaces=False
    )
    tokenizer.chat_template = shipped_template(TEMPLATE)
    return tokenizer


def instructions(languages: Iterable[str]) -> list[str]:
    """The texts of the instructions of these languages' files that the small models learn, each a token of its own."""
    prompts = (load(code).prompts for code in languages)
    return list(dict.fromkeys(found[name].text for found in prompts for name in INSTRUCTIONS if name in found))


def name_pattern(settings: Tokenizer) -> str:
    """A name of the context, with a topic particle or capital letter where its language has them."""
    context = load_context(settings.context)
    found: list[str] = []
    for code in settings.languages:
        words = [context.words(code).names[kind] for kind in context.kinds]
        spoken = grammar(code)
        if any(word[0].upper() != word[0] for word in words):  # a language with capitals: the subject has one
            known = {form for word in words for form in (word, word[0].upper() + word[1:])}
            found.append(f"(?:{_either(known)})(?![^\\W\\d_])")
        else:
            topics = {topic for word in words if (topic := topic_form(spoken, word))}
            found.append(f"(?:{_either(topics | set(words))})")
    return f"(?:{'|'.join(found)})"


def topic_form(spoken: Any, name: str) -> str:
    """The name as the subject of a definition, with its particle; "" where the language has none."""
    marker = "\u0007"
    sentence: str = spoken.fill(spoken.says["literal"], a=name, n=marker, counter=marker)
    subject = sentence.partition(marker)[0].strip()
    return subject if subject != name and " " not in subject else ""


def _either(words: Iterable[str]) -> str:
    """Alternatives, longest first, so that a name is not taken for a shorter one within it."""
    return "|".join(re.escape(word) for word in sorted(words, key=lambda word: (-len(word), word)))


def _without(texts: Iterable[str], tokens: Iterable[str]) -> Iterator[str]:
    """The texts between added tokens, which BPE must not learn."""
    cut = re.compile(_either(tokens))
    for text in texts:
        yield from (part for part in cut.split(text) if part)
