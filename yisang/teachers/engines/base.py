"""What every engine offers, and the canonical request that answers are known by.

An engine turns messages into one Generation. Two failures are its own: TeacherRejected means this one record,
TeacherUnavailable means the teacher as a whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from yisang.errors import YisangError
from yisang.records import Message
from yisang.teachers.generation import Generation, Sampling
from yisang.teachers.pressure import Limit


class TeacherUnavailable(YisangError):
    """The teacher cannot be asked at all (wrong key, wrong address, down): the whole run stops, to go on later."""


class TeacherRejected(YisangError):
    """The teacher refuses or cannot answer this one request: the record becomes a dead letter."""


class TeacherFailed(TeacherRejected):
    """The endpoint broke on this request each time that it was asked (5xx, a reset, a timeout, half an answer). The record
    becomes a dead letter too, but many in a row say that the endpoint is down."""


def request_body(model: str, messages: Sequence[Message], sampling: Sampling, sample: int) -> dict[str, Any]:
    """The full request in its canonical form, the same for all engines of a model.

    Numbers get their type here, so that a temperature of 1 and of 1.0 are one request.
    """
    return {
        "model": model,
        "messages": [{"role": message.role, "content": message.content} for message in messages],
        "temperature": float(sampling.temperature),
        "top_p": float(sampling.top_p),
        "top_k": int(sampling.top_k),
        "min_p": float(sampling.min_p),
        "max_tokens": int(sampling.max_tokens),
        "thinking": bool(sampling.thinking),
        "seed": sampling.seed_of(sample),
    }


def begun(messages: Sequence[Message]) -> tuple[Sequence[Message], str]:
    """The conversation, and what its answer begins with: a last message of the assistant is a beginning to go on from."""
    if messages and messages[-1].role == "assistant":
        return messages[:-1], messages[-1].content
    return messages, ""


class Engine(Protocol):
    """An engine of one model. `concurrency` is how many requests it likes to have in flight.

    Where the last message is the assistant's, the answer goes on from it, and the Generation holds what is new (its text is
    as it came: thinking that ended before stands in the beginning).
    """

    model: str
    revision: str
    concurrency: int
    places: Limit | None

    def body(self, messages: Sequence[Message], sampling: Sampling, sample: int) -> dict[str, Any]:
        """The canonical request body (`request_body`), which is not always what goes over the wire."""

    async def generate(self, messages: Sequence[Message], sampling: Sampling, sample: int) -> Generation:
        """One answer. Raises TeacherRejected or TeacherUnavailable."""

    async def close(self) -> None:
        """Frees connections and memory. The engine may be used again afterwards, in another event loop too."""


class EngineBase:
    """What the engines share: the identity of the model and the canonical body."""

    concurrency = 1
    places: Limit | None = None
    """The places of whoever asks, where it is set: an engine says there when its endpoint is overloaded, and waits outside."""

    def __init__(self, model: str, revision: str):
        self.model = model
        self.revision = revision

    def body(self, messages: Sequence[Message], sampling: Sampling, sample: int) -> dict[str, Any]:
        return request_body(self.model, messages, sampling, sample)

    async def close(self) -> None:
        return None
