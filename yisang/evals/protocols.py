"""How a benchmark is asked and counted: sampling, runs, which box counts, what becomes of an answer without one.

    paper     arXiv 2510.04230, section 6 and appendix C.2: T 0.7, top-p 0.9, 32,768 tokens, the first box behind the
              thinking, three runs, mean ± standard error over them. What cannot be read is wrong, even where the value
              stands in plain text.
    last-box  the same, with the last box
    mmath     arXiv 2505.19126: T 0.6, top-p 0.95, four samples, the last box, else the last number
    greedy    T 0, one run, the first box: cheap, and the same at every call

In none of them a box within the thinking counts, also not where the thinking was cut off. MMATH's own script reads
such a box.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from yisang.errors import UsageError
from yisang.grading import GradeSettings
from yisang.teachers.generation import Sampling


class Protocol(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All settings of a protocol; each may be set by itself.

    runs: passes over a benchmark, of `samples` answers to each question; a mean ± error is over runs, pass@k over all
    answers to a question. max_tokens: of one answer, thinking included. top_k: 0 is no limit. unparsed: whether an answer
    that cannot be read is "wrong" in the scores, or "left_out" of them; it is counted apart in both cases. box, fallback:
    as in `yisang.grading.GradeSettings`. seed: answer number i is drawn with seed + i.
    """

    name: str = "paper"
    temperature: float = 0.7
    top_p: float = 0.9
    top_k: int = 0
    min_p: float = 0.0
    max_tokens: int = 32768
    thinking: bool = True
    seed: int = 0
    runs: int = 3
    samples: int = 1
    box: Literal["first", "last"] = "first"
    fallback: tuple[Literal["marker", "whole", "number"], ...] = ()
    unparsed: Literal["wrong", "left_out"] = "wrong"

    def __post_init__(self) -> None:
        for name in ("runs", "samples"):
            if getattr(self, name) < 1:
                raise UsageError(f"The protocol's {name} is {getattr(self, name)}; it must be 1 or more.")
        # Also checks the sampling itself.
        self.sampling()

    @property
    def answers(self) -> int:
        """How many answers each question gets."""
        return self.runs * self.samples

    def sampling(self) -> Sampling:
        return Sampling(
            temperature=self.temperature,
            top_p=self.top_p,
            top_k=self.top_k,
            min_p=self.min_p,
            max_tokens=self.max_tokens,
            thinking=self.thinking,
            seed=self.seed,
        )

    def grading(self) -> GradeSettings:
        return GradeSettings(box=self.box, fallback=self.fallback)


PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        Protocol(),
        Protocol(name="last-box", box="last"),
        Protocol(name="mmath", temperature=0.6, top_p=0.95, runs=1, samples=4, box="last", fallback=("number",)),
        Protocol(name="greedy", temperature=0.0, top_p=1.0, runs=1),
    )
}


def protocol(name: str | Protocol, changes: dict[str, Any] | None = None) -> Protocol:
    """The protocol of this name, with some settings changed. Raises UsageError for what there is not."""
    if isinstance(name, Protocol):
        found = name
    elif name in PROTOCOLS:
        found = PROTOCOLS[name]
    else:
        raise UsageError(f"There is no protocol {name!r}. Choose one of: {', '.join(PROTOCOLS)}.")
    try:
        return msgspec.convert({**msgspec.to_builtins(found), **(changes or {})}, Protocol)
    except msgspec.ValidationError as error:
        raise UsageError(
            f"The protocol's settings cannot be used: {error}. It has {', '.join(Protocol.__struct_fields__)}."
        ) from error
