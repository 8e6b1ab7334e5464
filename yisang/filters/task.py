"""Worded tasks among questions of any kind: the task that stands in a post, and drops of posts that hold none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from yisang.records import Drop, Prompt, child_id
from yisang.tasks.contexts import digest_of_words
from yisang.tasks.wording import recognise


@dataclass(frozen=True)
class RecogniseTask:
    """Prompt → the worded task (`yisang.tasks`) in it, as a prompt of the task's own words with its gold and its graph.

    A task is the whole text or a line of its own in it; what stands around it (a title, a greeting) is left to the parent.
    languages: in which tasks are looked for. Others leave as the Drop `no_task`.
    """

    languages: Sequence[str] = ("ko",)

    def identity(self) -> dict[str, Any]:
        return {"languages": list(self.languages), "words": digest_of_words()}

    def __call__(self, prompt: Prompt) -> Prompt | Drop:
        task = recognise(prompt.text, tuple(self.languages))
        if task is None:
            return Drop("no_task")
        return msgspec.structs.replace(
            prompt,
            id=child_id(prompt.id, 0),
            parents=(prompt.id,),
            text=task.text,
            language=task.language,
            kind="task",
            gold=str(task.graph.answer),
            graph={"context": task.context, **task.graph.to_json()},
        )
