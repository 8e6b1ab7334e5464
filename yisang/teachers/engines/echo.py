"""A teacher without a model: it restates the question and answers nothing.

For tests and dry runs. Its traces have the form of language-mixed ones: English sentences that quote
the question's own words, then the question itself as the answer. They hold no reasoning and are no training data.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Sequence
from typing import Any

from yisang.errors import UsageError
from yisang.languages import load
from yisang.languages.shares import script_counts
from yisang.records import Message, nfc
from yisang.teachers.engines.base import EngineBase
from yisang.teachers.generation import Generation, Sampling, Usage, generation

_QUOTE = (
    "The question mentions {words} here, as it was written.",
    "Next to look at is {words}, kept in its own language.",
    "One of its parts is {words}, which no translation should touch.",
    "Then the text says {words}, and what stands around it matters.",
)
_LONGEST = 12
_LETTERS = 10
"""Letters of a quotation at least, so that a sentence with one lies above the usual share and one without below."""
_FILL = (
    "Let me go through the wording once more before anything is concluded.",
    "Nothing is computed in this step; it only repeats what was given.",
    "The order of the statements should stay the same as in the original text.",
    "So far every part has been restated, and no part has been changed.",
)


class Echo(EngineBase):
    """Deterministic: the same request gives the same answer everywhere.

    The share of the target language among the letters of its think part comes near `share`, if the question has words
    of that language at all. Both stand in the revision, by which answers are known: "1;language=ja;share=0.2", where "1"
    alone means ko and 0.12. A token is a piece of text between blanks; max_tokens cuts there.
    """

    concurrency = 8

    def __init__(self, model: str = "echo", revision: str = "1"):
        if model != "echo":
            raise UsageError(
                f"The engine echo cannot stand in for {model}: its answers would be stored, and found again, as that model's. "
                'Declare Teacher(engine="echo", model="echo", revision="1") in the recipe to try it without a model.'
            )
        super().__init__(model, revision)
        named = dict(part.partition("=")[::2] for part in revision.split(";")[1:])
        try:
            self.share = float(named.pop("share", "0.12"))
        except ValueError as error:
            raise UsageError(f"The revision {revision!r} of the engine echo cannot be read: {error}.") from error
        self.language = load(named.pop("language", "ko"))
        self._own = {said: script_counts(said.format(words=""), self.language) for said in (*_QUOTE, *_FILL)}
        if named:
            raise UsageError(
                f"The revision {revision!r} of the engine echo names {', '.join(named)}; it may name language and share."
            )

    def __repr__(self) -> str:
        return f"Echo({self.model!r}, {self.revision!r})"

    async def generate(self, messages: Sequence[Message], sampling: Sampling, sample: int) -> Generation:
        body = self.body(messages, sampling, sample)
        question = self._question(messages)
        think = self._think(question, body)
        text = f"<think>\n{think}\n</think>\n\n“{question}”" if sampling.thinking else f"“{question}”"
        whole = text.split(" ")
        kept = whole[: sampling.max_tokens]
        return generation(
            " ".join(kept),
            finish_reason="stop" if len(kept) == len(whole) else "length",
            usage=Usage(
                prompt_tokens=sum(len(message.content.split(" ")) for message in messages),
                completion_tokens=len(kept),
            ),
        )

    def _question(self, messages: Sequence[Message]) -> str:
        """The last turn, without an instruction of ours in front of it."""
        text = messages[-1].content
        for mode in sorted(self.language.prompts):
            text = text.removeprefix(self.language.prompts[mode].text)
        return text.strip()

    def _think(self, question: str, body: dict[str, Any]) -> str:
        seed = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).digest()
        draw = random.Random(seed)
        bare = [word.strip(".,;:!?()[]{}\"'“”") for word in question.split()]
        # A language without blanks between its words has long "words".
        parts = [word[start : start + _LONGEST] for word in bare for start in range(0, len(word), _LONGEST)]
        counted = [(part, *script_counts(nfc(part), self.language)) for part in parts]
        quotable = [found for found in counted if found[2] and found[1] / found[2] > 0.5]
        sentences: list[str] = []
        place = target = letters = 0
        # Each step goes to the side of `share` on which the text is not; this many make the steps small.
        for _ in range(24):
            if quotable and (target / letters if letters else 0.0) < self.share:
                quoted: list[str] = []
                length = 0
                while length < _LETTERS:
                    part, of_target, of_all = quotable[place % len(quotable)]
                    quoted.append(part)
                    target, length, place = target + of_target, length + of_all, place + 1
                said = draw.choice(_QUOTE)
                sentences.append(said.format(words=" ".join(quoted)))
                letters += length
            else:
                said = draw.choice(_FILL)
                sentences.append(said)
            target, letters = target + self._own[said][0], letters + self._own[said][1]
        return " ".join(sentences)
