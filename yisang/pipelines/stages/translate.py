"""Translation: prompts of one language become prompts of another, by any teacher, and none is paid for twice."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from yisang.errors import UsageError
from yisang.filters.translation import BOUNDS, ReadTranslation, TranslationBounds
from yisang.pipelines.phases import Phase
from yisang.pipelines.stages.teach import TeachPhase
from yisang.pipelines.steps import Stage
from yisang.records import Drop, Prompt, Record, Trace
from yisang.teachers.generation import Sampling, Teacher
from yisang.teachers.prompts import Placement
from yisang.teachers.strategies import Once, Retry, Strategy
from yisang.teachers.translation import TranslationPrompt

GREEDY = Sampling(temperature=0.0, top_p=1.0, top_k=0, max_tokens=8192, thinking=False)
"""One translation is wanted, the likeliest, and no thoughts about it. Twice the tokens of the longest prompt that the paper keeps (8,192
characters) in a language that takes half the characters. Ours: the paper does not say how it sampled."""


@dataclass(frozen=True)
class Translate(Stage):
    """Prompts in `source` → the same prompts in `target`, or drops (`yisang.filters.translation` names the reasons).

    Formulas, code, addresses and option labels stand behind marks while the teacher has the text, and come back byte for byte. A child
    has its parent's id and licence, the latter with the teacher's terms. A prompt whose licence forbids changed copies is not asked about and
    dropped (`no_derivatives`), unless prompts stay `beside`. Prompts in other languages pass as they are.

    attempts: how often the teacher is asked, with another seed, until a translation passes; each one that does not is a drop of its own.

    beside: whether a prompt that is translated stays beside its translation, as questions for RL in two languages do; unless said, the
    translation takes its place. With it a prompt that may not be changed stays too, alone.

    Answers are looked up in the run's answer store first, as those of `Teach` are; only misses reach the engine. A request that the
    teacher rejects is a dead letter.
    """

    teacher: Teacher
    sampling: Sampling = GREEDY
    source: str = "en"
    target: str = "ko"
    bounds: TranslationBounds = BOUNDS
    placement: Placement = "system"
    attempts: int = 1
    beside: bool = False

    samples = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.attempts > 1 and self.sampling.temperature == 0:
            raise UsageError(
                f"Step {self.name}: {self.attempts} attempts at temperature 0 give the same translation. Give a Sampling with a temperature."
            )
        _ = self.template, self.read, self.strategy

    @cached_property
    def template(self) -> TranslationPrompt:
        return TranslationPrompt(self.target, self.placement)

    @cached_property
    def read(self) -> ReadTranslation:
        return ReadTranslation(self.source, self.target, self.bounds)

    @cached_property
    def strategy(self) -> Strategy:
        return Once() if self.attempts == 1 else Retry((self.read.passes,), self.attempts)

    def identity(self) -> dict[str, object]:
        return {
            "teacher": self.teacher,
            "sampling": self.sampling,
            "template": self.template,
            **self.read.identity(),
            "attempts": self.attempts,
            "beside": self.beside,
        }

    def phases(self) -> list[Phase]:
        return [TranslatePhase("ask", stage=self)]


@dataclass(frozen=True)
class TranslatePhase(TeachPhase):
    """Teaching of which only some prompts are asked, and whose answers become prompts."""

    settles = True

    def settled(self, prompt: Prompt) -> Record | Drop | None:
        assert isinstance(self.stage, Translate)
        if prompt.language != self.stage.source:
            return prompt
        if not prompt.licence.derive:
            if self.stage.beside:  # it stays as it is, which changes nothing of it
                return prompt
            return Drop("no_derivatives", {"licence": prompt.licence.id, "evidence": prompt.licence.evidence})
        return None

    def beside(self, prompt: Prompt) -> bool:
        assert isinstance(self.stage, Translate)
        return self.stage.beside

    def result(self, trace: Trace) -> Record | Drop:
        assert isinstance(self.stage, Translate)
        return self.stage.read(trace)
