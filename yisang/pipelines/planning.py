"""What a run would do: steps and constants, inputs, what is stored already, and what teaching will ask."""

from __future__ import annotations

from itertools import islice
from typing import Any

import msgspec

from yisang.errors import YisangError
from yisang.pipelines.boundary import Boundary
from yisang.pipelines.compile import Plan
from yisang.pipelines.constants import USUAL, Told, arguments, phase_lines, wrapped
from yisang.pipelines.phases import Setting
from yisang.pipelines.pilot import pilot_lines
from yisang.pipelines.recipe import Loaded
from yisang.pipelines.run import describe, make_plan
from yisang.pipelines.stages.teach import TeachPhase
from yisang.records import Prompt
from yisang.storage import Folder
from yisang.teachers.answers import AnswerStore, answer_key
from yisang.teachers.engines import request_body

CHUNK = 2_000


def recipe_plan(loaded: Loaded, *, setting: Setting, limit: int | None, strict: bool) -> dict[str, Any]:
    """The plan as plain data; nothing is run, asked or written."""
    plan, inputs = make_plan(loaded, limit=limit, strict=strict)
    described = describe(loaded, plan, inputs) | {"max_dead": plan.max_dead}
    for phase, entry in zip(plan.phases, described["phases"], strict=True):
        boundary = Boundary(Folder(setting.out), phase.name) if setting.out else None
        manifest = boundary.manifest() if boundary is not None else None
        entry["done"] = manifest is not None
        if manifest is not None:
            entry["rows"] = manifest.rows("records")
        if isinstance(phase, TeachPhase):
            entry["teaching"] = _teaching(plan, phase, setting)
    return described


def _teaching(plan: Plan, phase: TeachPhase, setting: Setting) -> dict[str, Any]:
    """Requests in all, answered already, and to ask; None where the prompts are not known yet. Of a strategy that asks several
    times for an answer, the first requests are counted: how many others there are depends on what comes back."""
    stage = phase.stage
    assert stage is not None
    teacher = stage.teacher
    found: dict[str, Any] = {
        "model": teacher.model,
        "engine": teacher.engine,
        "revision": teacher.revision,
        "sampling": msgspec.to_builtins(stage.sampling),
        "samples": stage.samples,
        "attempts": stage.strategy.tries,
        "prompt_version": stage.template.version,
        "requests": None,
        "answered": None,
        "to_ask": None,
    }
    out = setting.out
    before = Boundary(Folder(out), plan.phases[phase.reads[0]].name) if out else None
    if before is None or before.manifest() is None:
        return found
    keys: set[str] = set()
    known: set[str] = set()
    prompts = (item for item in before.all_records() if isinstance(item, Prompt) and phase.settled(item) is None)
    with AnswerStore(setting.answer_store) as store:
        while held := list(islice(prompts, CHUNK)):
            chunk = set()
            for prompt in held:
                try:
                    messages = stage.template.messages(prompt)
                except YisangError:
                    raise
                except Exception:  # a dead letter of the run's, which is not asked
                    continue
                for sample in range(stage.samples):
                    body = request_body(teacher.model, messages, stage.strategy.first(stage.sampling), sample)
                    chunk.add(answer_key(body, teacher.revision, sample))
            keys |= chunk
            known |= set(store.get_many(chunk))
    return {**found, "requests": len(keys), "answered": len(known), "to_ask": len(keys) - len(known)}


def plan_text(described: dict[str, Any]) -> str:
    """The plan for a person."""
    why = described["why"].splitlines()[0] if described["why"] else ""
    lines = [f"{described['recipe']} {described['version']}: {why}", ""]
    for item in described["inputs"]:
        lines.append(f"input {item['source']}: {item['path']} ({item['size']:,} bytes)")
    lines += wrapped(f"corpus: {arguments(described['sink'])}")
    lines += [f"dead letters: at most {described['max_dead']:.2%} of what enters a step"]
    lines += [f"steps: Each({arguments(USUAL)}) unless they say otherwise", ""]
    told: Told = {}
    for number, phase in enumerate(described["phases"], 1):
        state = (
            f"done, {phase['rows']:,} records"
            if phase["done"] and phase["stored"]
            else "done"
            if phase["done"]
            else "to do"
        )
        lines.append(f"{number:3}. {phase['name']}  [{state}]")
        lines += [f"       {line}" for line in phase_lines(phase, told)]
        told = {} if phase["steps"] else told
        if "teaching" in phase:
            lines += [f"       {line}" for text in _teaching_lines(phase["teaching"]) for line in wrapped(text)]
    return "\n".join(lines)


def _teaching_lines(teaching: dict[str, Any]) -> list[str]:
    head = f"teacher {teaching['model']} at {teaching['revision']}, {teaching['samples']} answer(s) to each prompt"
    if teaching["attempts"] > 1:
        head += f", of up to {teaching['attempts']} attempts"
    head += f"; prompt {teaching['prompt_version']}, engine {teaching['engine']}"
    if teaching["requests"] is None:
        return [head, "requests: known when the steps before have run into --out"]
    lines = [
        head,
        f"{teaching['requests']:,} requests: {teaching['answered']:,} answered in the store, {teaching['to_ask']:,} to ask",
    ]
    return lines + (pilot_lines(teaching["pilot"], teaching["estimate"]) if "pilot" in teaching else [])
