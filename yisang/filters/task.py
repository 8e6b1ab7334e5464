"""Worded tasks among questions of any kind: the tasks that stand in a post, and drops of posts that hold none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from yisang.records import Drop, Prompt, child_id
from yisang.tasks.contexts import digest_of_words
from yisang.tasks.wording import tasks_in


@dataclass(frozen=True)
class RecogniseTask:
    """Prompt → the worded tasks (`yisang.tasks`) in it, each a prompt of the task's own words with its gold and its graph.

    A task is the whole text or a line of its own in it. What stands around it (a title, a greeting) is left to the parent,
    and so are the parent's measures, which are of its text, but for the translator's name. languages: in which tasks are looked for.

    A prompt without a task leaves as the Drop `no_task`, or passes where `others` says so; one whose graph is known passes as it is. A
    part of a text is a changed copy: where the licence forbids those (ND) and the task is not the whole text, the prompt leaves as the Drop
    `no_derivatives`, or passes as it is where `others` says so.
    """

    languages: Sequence[str] = ("ko",)
    others: bool = False

    def identity(self) -> dict[str, Any]:
        return {"languages": list(self.languages), "others": self.others, "words": digest_of_words()}

    def __call__(self, prompt: Prompt) -> Prompt | list[Prompt] | Drop:
        if prompt.graph is not None:
            return prompt
        tasks = list(tasks_in(prompt.text, tuple(self.languages)))
        if not prompt.licence.derive and any(task.text != prompt.text.strip() for task in tasks):
            evidence = {"licence": prompt.licence.id, "evidence": prompt.licence.evidence}
            return prompt if self.others else Drop("no_derivatives", evidence)
        found = [
            msgspec.structs.replace(
                prompt,
                id=child_id(prompt.id, number),
                parents=(prompt.id,),
                text=task.text,
                language=task.language,
                kind="task",
                gold=str(task.graph.answer),
                graph={"context": task.context, **task.graph.to_json()},
                measures={name: prompt.measures[name] for name in ("translated_by",) if name in prompt.measures},
            )
            for number, task in enumerate(tasks)
        ]
        return found or (prompt if self.others else Drop("no_task"))
