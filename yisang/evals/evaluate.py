"""An evaluation: every question of some benchmarks asked, judged, counted, and left in a folder.

    identity.json          what makes it this evaluation; with another the folder is refused
    config.toml            all settings, in the form that `--config` takes
    answers/               the answer store, unless another is named: no answer is paid for twice
    outputs-NAME.jsonl     each raw output with its verdict; `rescore` reads it
    results.json           scores, settings, versions, counts; written last

The same call goes on from where an earlier one was stopped; a finished folder gives its results at once.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import json
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from yisang import __version__
from yisang.errors import UsageError
from yisang.evals import guard
from yisang.evals.benchmarks import Item, Spec, spec_of
from yisang.evals.config import toml
from yisang.evals.judging import Judged
from yisang.evals.lines import Line, judged_line, to_json
from yisang.evals.protocols import Protocol, protocol
from yisang.evals.results import RESULTS, BenchResult, Counts, Results, read_results
from yisang.evals.summary import summarise
from yisang.records import Dead, Message, Prompt, Trace
from yisang.storage import Folder, explained, read_json
from yisang.teachers.answers import AnswerStore
from yisang.teachers.engines import Engine, open_engine
from yisang.teachers.generation import Teacher
from yisang.teachers.rollouts import Counters, teach

CONFIG = "config.toml"
IDENTITY = "identity.json"
QUIET_SECONDS = 2.0
"""Nothing is said about what takes less."""
LINE_SECONDS = 10.0

Say = Callable[[str], None]


def evaluate(
    model: Teacher | Engine,
    benches: Sequence[str | Mapping[str, Any] | Spec],
    by: str | Protocol = "paper",
    out: str = "",
    *,
    purpose: str = "final",
    answers: str = "",
    concurrency: int | None = None,
    retry: bool = False,
    say: Say | None = None,
) -> Results:
    """Evaluates a model on benchmarks by a protocol, into the folder `out`.

    model: a teacher, whose engine is opened, or an open engine; it is closed at the end. benches: as in `spec_of`. purpose:
    "training", "ablation" or "final" (see `guard`). answers: the answer store; out/answers unless said. concurrency: requests
    in flight; the engine's own number unless said. retry: of a finished folder, ask again for the answers that failed
    (infra errors). say: hears what a person follows.

    Raises UsageError for settings that cannot be used, for a held-out benchmark with another purpose than "final", and for a
    folder of another evaluation. TeacherUnavailable and Interrupt pass through; what was answered is kept.
    """
    from yisang.pipelines.run import lock

    specs = [spec_of(given) for given in benches]
    settings = protocol(by)
    guard.check(specs, purpose)
    _check(specs, out)
    folder = Folder(out)
    teacher = model if isinstance(model, Teacher) else _teacher(model)
    plans = _plans(specs)
    identity = {
        "model": teacher.model,
        "revision": teacher.revision,
        "purpose": purpose,
        "protocol": msgspec.to_builtins(settings),
        "benches": {plan.spec.label: {"settings": plan.spec.matters(), "data": plan.data} for plan in plans},
    }
    _refuse_another(folder, identity)
    done = folder.exists(RESULTS)
    if done:
        stored = read_results(folder)
        failed = sum(bench.overall.verdicts["infra_error"] for bench in stored.benches)
        if not (retry and failed):
            if say is not None:
                note = f"; {failed} answers failed, which --retry asks again" if failed else ""
                say(f"{folder.address} is finished: these are its results{note}")
            return stored
    engine = open_engine(model) if isinstance(model, Teacher) else model
    store_address = answers or f"{folder.address}/answers"
    AnswerStore(store_address).check_writable()
    if folder.local:
        with explained(folder.address):
            Path(folder.root).mkdir(parents=True, exist_ok=True)
    with lock(folder):
        # Once more, as another process may have begun in it since.
        _refuse_another(folder, identity)
        folder.remove_unfinished()
        # Scores must not stand beside outputs that they are not of, should this retry be stopped.
        folder.remove(RESULTS)
        folder.write_bytes(IDENTITY, msgspec.json.encode(identity) + b"\n")
        folder.write_bytes(CONFIG, _config(teacher, specs, settings, purpose, answers, concurrency).encode())
        counters = Counters()
        with AnswerStore(store_address) as store:
            found = _asked(plans, teacher, engine, store, settings, folder, concurrency, counters, say)
        results = Results(
            model=teacher.model,
            revision=teacher.revision,
            engine=teacher.engine,
            purpose=purpose,
            protocol=settings,
            benches=found,
            average=_average(found),
            counts=Counts(asked=counters.asked, reused=counters.reused, failed=counters.rejected),
            versions=_versions(),
        )
        folder.write_bytes(RESULTS, msgspec.json.format(msgspec.json.encode(results), indent=1) + b"\n")
    return results


@dataclass
class _Plan:
    """A benchmark about to be asked: its questions, under ids that are unique in the evaluation."""

    spec: Spec
    number: int
    outputs: str
    items: list[Item]
    data: str = ""
    judged: list[Judged] = field(default_factory=list)

    def __post_init__(self) -> None:
        digest = hashlib.sha256()
        for item in self.items:
            shown = [item.id, item.question, item.gold, [[turn.role, turn.content] for turn in item.messages]]
            digest.update(json.dumps(shown, ensure_ascii=False).encode("utf-8", "surrogatepass"))
        self.data = digest.hexdigest()

    def key(self, item: Item) -> str:
        return f"{self.number}/{item.id}"


class _Words:
    """The template of an evaluation: the items bring their messages."""

    def __init__(self, plans: Sequence[_Plan]):
        self._messages = {plan.key(item): item.messages for plan in plans for item in plan.items}
        self.version = "eval"

    def messages(self, prompt: Prompt) -> tuple[Message, ...]:
        return self._messages[prompt.id]


def _check(specs: Sequence[Spec], out: str) -> None:
    if not out:
        raise UsageError("An evaluation needs a folder for its results. Name one with --out DIR.")
    if not specs:
        raise UsageError("Nothing is asked. Name a benchmark with --bench, for example --bench tasks:lang=ko,ops=2-4.")
    labels = [spec.label for spec in specs]
    if twice := [label for label in dict.fromkeys(labels) if labels.count(label) > 1]:
        raise UsageError(f"The benchmark {twice[0]} is asked for twice. Name it once.")


def _plans(specs: Sequence[Spec]) -> list[_Plan]:
    plans = []
    names = [spec.benchmark.name for spec in specs]
    for number, spec in enumerate(specs):
        place = names[:number].count(names[number]) + 1
        suffix = f"-{place}" if place > 1 else ""
        plans.append(_Plan(spec, number, f"outputs-{names[number]}{suffix}.jsonl", spec.items()))
    return plans


def _teacher(engine: Engine) -> Teacher:
    return Teacher(engine=type(engine).__name__.lower(), model=engine.model, revision=engine.revision)


def _refuse_another(folder: Folder, identity: dict[str, Any]) -> None:
    """Raises UsageError for a folder that holds something else."""
    if not folder.exists(IDENTITY):
        strangers = [name for name in folder.names() if name not in ("answers", "lock")]
        if strangers:
            raise UsageError(
                f"{folder.address} holds other files ({', '.join(strangers[:3])}) and no evaluation. Choose a new or empty folder "
                "with --out."
            )
        return
    before = read_json(folder, IDENTITY, dict)
    # As it is stored: JSON knows no tuples.
    now = msgspec.json.decode(msgspec.json.encode(identity))
    if before == now:
        return
    differing = [f"{name} was {_short(old)} and is {_short(new)}" for name, old, new in _differences(before, now)]
    raise UsageError(
        f"{folder.address} holds an evaluation with other settings: {'; '.join(differing)}. Choose another folder with --out; with "
        f"--answers {folder.address}/answers nothing that is the same is asked again."
    )


def _differences(before: Any, now: Any, name: str = "") -> Iterator[tuple[str, Any, Any]]:
    """(dotted name, old, new) of what differs."""
    if isinstance(before, dict) and isinstance(now, dict):
        for key in dict.fromkeys([*before, *now]):
            yield from _differences(before.get(key), now.get(key), f"{name}.{key}" if name else key)
    elif before != now:
        yield name, before, now


def _short(value: Any) -> str:
    if value is None:
        return "absent"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _asked(
    plans: Sequence[_Plan],
    teacher: Teacher,
    engine: Engine,
    store: AnswerStore,
    settings: Protocol,
    folder: Folder,
    concurrency: int | None,
    counters: Counters,
    say: Say | None,
) -> list[BenchResult]:
    """All benchmarks in one stream, so that the engine is opened once and never waits between two of them."""

    def prompts() -> Iterator[Prompt]:
        for plan in plans:
            for item in plan.items:
                yield Prompt(id=plan.key(item), text=item.question, language=item.lang)

    total = settings.answers * sum(len(plan.items) for plan in plans)
    progress = _Progress(total, counters, say)
    stream = teach(
        prompts(),
        teacher,
        _Words(plans),
        settings.sampling(),
        settings.answers,
        engine,
        store,
        concurrency,
        counters=counters,
    )
    found = []
    # Closed whatever happens, so that what is in flight is cancelled and the store is whole.
    with contextlib.closing(stream):  # type: ignore[type-var]  # a generator, declared as an iterator
        for plan in plans:
            with folder.create(plan.outputs) as path, open(path, "w", encoding="utf-8") as file:
                for item in plan.items:
                    for number in range(settings.answers):
                        line, extra = _line(item, next(stream), number, settings)
                        judged = judged_line(line, settings)
                        plan.judged.append(judged)
                        file.write(_dumped(to_json(line, judged, extra)) + "\n")
                        progress.step()
            found.append(_result(plan, settings))
        # The stream ends by itself, after the engine was closed.
        for _ in stream:
            raise AssertionError("more answers than questions")
    return found


def _line(item: Item, outcome: Trace | Dead, number: int, settings: Protocol) -> tuple[Line, dict[str, Any]]:
    run, sample = divmod(number, settings.samples)
    if isinstance(outcome, Dead):
        return Line(item, None, run, sample, None, f"{outcome.error}: {outcome.message}"), {"usage": {}}
    assert outcome.sample == number
    return Line(item, outcome.text, run, sample, outcome.finish_reason), {"usage": outcome.usage}


def _dumped(line: dict[str, Any]) -> str:
    text = json.dumps(line, ensure_ascii=False)
    # Half a character has no UTF-8.
    return json.dumps(line) if any("\ud800" <= sign <= "\udfff" for sign in text) else text


def _result(plan: _Plan, settings: Protocol) -> BenchResult:
    spec = plan.spec
    counted: dict[str, Any] = {"primary": spec.primary, "samples": settings.samples}
    cells = {
        cell: summarise([judged for judged in plan.judged if judged.cell == cell], **counted)
        for cell in dict.fromkeys(item.cell for item in plan.items)
        if cell
    }
    scores = [cell.score.mean for cell in cells.values() if cell.score.mean is not None]
    return BenchResult(
        label=spec.label,
        name=spec.benchmark.name,
        settings=spec.matters(),
        held_out=spec.held_out,
        data=plan.data,
        outputs=plan.outputs,
        primary=spec.primary,
        cell=spec.benchmark.cell,
        overall=summarise(plan.judged, **counted),
        cells=cells,
        macro=math.fsum(scores) / len(scores) if scores and len(scores) == len(cells) else None,
    )


def _average(benches: Sequence[BenchResult]) -> float | None:
    scores = [score for bench in benches if (score := bench.overall.score.mean) is not None]
    return math.fsum(scores) / len(scores) if len(scores) == len(benches) > 1 else None


def _config(
    teacher: Teacher, specs: Sequence[Spec], settings: Protocol, purpose: str, answers: str, concurrency: int | None
) -> str:
    """All that was asked for, every setting written out, in the form that --config takes."""
    table = {
        "model": str(teacher.options.get("path") or teacher.model),
        "engine": teacher.engine,
        # A folder's revision follows from its files, and may not be told.
        "revision": None if teacher.options.get("path") else teacher.revision,
        "purpose": purpose,
        "answers": answers or None,
        "concurrency": concurrency,
        "protocol": msgspec.to_builtins(settings),
        "engine_options": {key: value for key, value in teacher.options.items() if key != "path"},
        "bench": [{"name": spec.benchmark.name, **msgspec.to_builtins(spec.settings)} for spec in specs],
    }
    head = f"# yisang {__version__}; {teacher.model} at {teacher.revision}\n"
    return head + toml(table)


def _versions() -> dict[str, str]:
    """What the numbers depend on beside the model."""
    found = {"yisang": __version__}
    for name in ("math-verify", "py3langid", "transformers", "torch"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


class _Progress:
    """Says how far an evaluation is, after some seconds and then now and again."""

    def __init__(self, total: int, counters: Counters, say: Say | None):
        self._total, self._counters, self._say = total, counters, say
        self._done = 0
        self._since = time.monotonic()
        self._next = self._since + QUIET_SECONDS

    def step(self) -> None:
        self._done += 1
        now = time.monotonic()
        if self._say is None or now < self._next:
            return
        self._next = now + LINE_SECONDS
        asked = max(1, self._done - self._counters.reused)
        left = (self._total - self._done) * (now - self._since) / asked
        # The first answers of a batch come long after it was asked, and say nothing of the rest.
        told = f", about {left:,.0f} s left" if 20 * asked >= self._total else ""
        self._say(
            f"{self._done:,} of {self._total:,} answers ({self._counters.reused:,} from the store), "
            f"{self._done / self._total:.0%}{told}"
        )
