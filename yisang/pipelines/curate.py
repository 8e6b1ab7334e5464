"""From verified traces to training rows, and what the corpus is called."""

from __future__ import annotations

from dataclasses import dataclass

from yisang.records import Drop, Example, Message, Record, Trace, child_id


@dataclass(frozen=True)
class Corpus:
    """What the kept records of a recipe are published as; the data card is made of it.

    language: the BCP 47 code of the target language. licence: the licence of the collection as a whole on its card,
    an identifier that the Hub knows ("other" where its rows differ; each row carries its own).
    """

    title: str
    language: str
    description: str = ""
    licence: str = "other"


@dataclass(frozen=True)
class ToExample:
    """Trace → Example: the question as its author wrote it, the think block, the answer.

    The teacher's instruction is left out: the student is to think so without being told.
    """

    weight: float = 1.0

    def __call__(self, trace: Trace) -> Record | Drop:
        if trace.think is None or trace.answer is None:
            return Drop("no_think_or_answer", {"finish_reason": trace.finish_reason})
        reply = f"<think>\n{trace.think.strip()}\n</think>\n\n{trace.answer.strip()}"
        return Example(
            id=child_id(trace.id, 0),
            category=trace.category,
            licence=trace.licence,
            messages=(Message("user", trace.prompt.text), Message("assistant", reply)),
            prompt_id=trace.prompt.id,
            trace_id=trace.id,
            weight=self.weight,
            trace=trace,
        )
