"""Teaching: each prompt is asked of the teacher, each answer becomes a Trace, and none is paid for twice."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

import msgspec

from yisang.errors import UsageError, YisangError
from yisang.pipelines.boundary import ShardWriter
from yisang.pipelines.chain import dead_letter, storable
from yisang.pipelines.identity import identity
from yisang.pipelines.phases import Inputs, Phase, Setting, Work, counted, even_slices
from yisang.pipelines.steps import Stage
from yisang.records import Dead, Drop, Prompt, Record, Trace
from yisang.teachers.answers import AnswerStore
from yisang.teachers.asking import Counters
from yisang.teachers.engines import Engine, open_engine
from yisang.teachers.generation import Sampling, Teacher
from yisang.teachers.rollouts import Template, teach
from yisang.teachers.strategies import Once, Strategy
from yisang.teachers.telling import Price, told

SERVED = frozenset({"openai", "vllm", "vllm-offline"})
"""Engines that one process keeps busy, by thousands of requests at once."""
ON_GPUS = frozenset({"vllm", "vllm-offline"})
"""Those of them that take all GPUs of the machine."""
LEAST_OF_ENDPOINT = 10_000
ADDRESSES = ("base_url", "endpoints", "path")
"""Options of engines that say where a model is. What is found there answers, whatever model it is."""


@dataclass(frozen=True)
class TeacherSetting:
    """What the command line says of the teacher: how it is reached, never who it is.

    engine: another engine for the same model. options: of that engine (base_url, device, ...); one named `base_url.MODEL` is for the
    teacher of that model alone, and goes before `base_url`. price: what its tokens cost.
    """

    engine: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    concurrency: int | None = None
    price: Price | None = None

    def applied(self, teacher: Teacher) -> Teacher:
        if not self.engine:
            return teacher
        options = teacher.options if self.engine == teacher.engine else {}
        return msgspec.structs.replace(teacher, engine=self.engine, options=options)

    def options_of(self, model: str) -> dict[str, Any]:
        """The options for a model: those for all, and over them its own."""
        common = {name: value for name, value in self.options.items() if "." not in name}
        split = [(*name.partition("."), value) for name, value in self.options.items()]
        return common | {name: value for name, dot, whose, value in split if dot and whose == model}


def check_addresses(phases: Iterable[Phase], setting: Setting) -> None:
    """Raises UsageError where the command line sends the questions for different models to one address, as an endpoint that does
    not look at the model's name would have its answers stored as those of each; and for an option of a model that nobody asks.

    Looked at are the teachers that the command line applies to: those of the recipe's steps, not those of their strategies.
    """
    options = (setting.teacher or TeacherSetting()).options
    teachers = {
        (phase.stage.teacher.model, phase.stage.teacher.revision)
        for phase in phases
        if isinstance(phase, TeachPhase) and phase.stage is not None
    }
    for name in options:
        _, dot, whose = name.partition(".")
        if dot and whose not in {model for model, _ in teachers}:
            asked = ", ".join(sorted({model for model, _ in teachers})) or "none"
            raise UsageError(
                f"--teacher-option {name} is for {whose}, which no step of the recipe asks. Its steps ask: {asked}."
            )
    for option in ADDRESSES:
        reached: dict[str, list[str]] = {}
        for model, revision in sorted(teachers):
            own = f"{option}.{model}"
            reached.setdefault(own if own in options else option, []).append(f"{model} at {revision}")
        for name, those in reached.items():
            if name in options and len(those) > 1:
                raise UsageError(
                    f"--teacher-option {name} sends the questions for {' and for '.join(those)} to one place, and whatever "
                    "answers there would be stored as each of them. Give each model its own with --teacher-option "
                    f"{option}.MODEL=…, or declare engine and options of each Teacher in the recipe, or run the translation as "
                    "a recipe of its own."
                )


@dataclass(frozen=True)
class Teach(Stage):
    """Prompts → `samples` traces each, by `teacher`, asked in the words of `template`; with a `strategy` (`yisang.teachers.
    strategies`) that makes several attempts, a trace for each attempt.

    Answers are looked up in the run's answer store first; only misses reach the engine.
    """

    teacher: Teacher
    template: Template
    sampling: Sampling = Sampling()
    samples: int = 1
    strategy: Strategy = Once()

    def phases(self) -> list[Phase]:
        return [TeachPhase("ask", stage=self)]


class Asks(Protocol):
    """A stage that asks a teacher about prompts: Teach, or one that makes something else of the answers."""

    @property
    def name(self) -> str: ...
    @property
    def teacher(self) -> Teacher: ...
    @property
    def template(self) -> Template: ...
    @property
    def sampling(self) -> Sampling: ...
    @property
    def samples(self) -> int: ...
    @property
    def strategy(self) -> Strategy: ...


@dataclass(frozen=True)
class TeachPhase(Phase):
    """A shard is one stream of requests. What is asked and what becomes of an answer is for a phase of another stage to say
    (`settled`, `result`)."""

    stage: Asks | None = None

    settles: ClassVar[bool] = False
    """Whether there are prompts that `settled` decides on."""

    def settled(self, prompt: Prompt) -> Record | Drop | None:
        """What becomes of a prompt without its being asked about; None where the teacher is asked."""
        return None

    def beside(self, prompt: Prompt) -> bool:
        """Whether a prompt that is asked about also stays itself. Looked at where `settles` is set."""
        return False

    def result(self, trace: Trace) -> Record | Drop:
        """What is made of an answer."""
        return trace

    def parameters(self) -> Any:
        return identity(self.stage, self.stage.name if self.stage else "")

    def check(self, setting: Setting) -> None:
        """Opens the engines, and the answer store for writing."""
        self.engines(setting)
        AnswerStore(setting.answer_store).check_writable()

    def engines(self, setting: Setting) -> list[Engine]:
        """The engine of the recipe's teacher, and those of the others that its strategy asks."""
        assert self.stage is not None
        given = setting.teacher or TeacherSetting()
        main = open_engine(given.applied(self.stage.teacher), **given.options_of(self.stage.teacher.model))
        return [main, *(open_engine(other) for other in self.stage.strategy.teachers)]

    def plan(self, inputs: Inputs) -> list[Work]:
        # An endpoint is kept busy by one stream, and at the end of each stream it runs dry; a model in this process wants
        # a stream for each worker. No answer is lost with a shard that is killed, so a shard may be large.
        assert self.stage is not None
        least = LEAST_OF_ENDPOINT if self.stage.teacher.engine in SERVED else None
        return even_slices(inputs.manifests[0], least)

    def alone(self, setting: Setting) -> bool:
        assert self.stage is not None
        engine = (setting.teacher or TeacherSetting()).engine or self.stage.teacher.engine
        return not ON_GPUS.isdisjoint({engine, *(other.engine for other in self.stage.strategy.teachers)})

    def told(self, notes: list[msgspec.Raw], seconds: float, setting: Setting) -> str:
        counters = sum((msgspec.json.decode(note, type=Counters) for note in notes), Counters())
        return told(counters, seconds, (setting.teacher or TeacherSetting()).price)

    def run(self, work: Work, inputs: Inputs, out: ShardWriter, setting: Setting) -> None:
        stage = self.stage
        assert stage is not None
        given = setting.teacher or TeacherSetting()
        engine, *others = self.engines(setting)

        def prompts() -> Iterator[Prompt]:
            for record in inputs.slices(work.slices):
                if not isinstance(record, Prompt):
                    raise UsageError(
                        f"Step {stage.name} was given a {record.kind_name}, but a teacher is asked prompts. Put a step before "
                        "it that makes prompts of them."
                    )
                yield record

        asked: Iterator[Prompt] = counted(prompts(), out)
        apart = stayed = 0
        if self.settles:
            # In a reading of their own, before the asking, which reads ahead in a thread of its own: one thread writes.
            for prompt in asked:
                settled = self.settled(prompt)
                if settled is not None:
                    apart += 1
                    _write(out, stage.name, prompt, settled)
                elif self.beside(prompt):
                    stayed += 1
                    out.keep(prompt)
            asked = (prompt for prompt in prompts() if self.settled(prompt) is None)
        outcomes, before = 0, ""
        counters = Counters()
        out.note, out.through = counters.snapshot, apart
        with AnswerStore(setting.answer_store) as store:
            for outcome in teach(
                asked,
                stage.teacher,
                stage.template,
                stage.sampling,
                stage.samples,
                engine,
                store,
                given.concurrency,
                strategy=stage.strategy,
                others=others,
                counters=counters,
            ):
                outcomes += 1
                about = outcome.prompt.id if isinstance(outcome, Trace) else outcome.record.id if outcome.record else ""
                out.through, before = out.through + (about != before), about
                if isinstance(outcome, Dead):
                    out.dead(stage.name, outcome.record, outcome)
                else:
                    _write(out, stage.name, outcome, self._made(outcome))
        wanted = (out.read - apart) * stage.samples
        if not wanted <= outcomes <= wanted * stage.strategy.tries:
            raise YisangError(
                f"Step {stage.name}: {out.read - apart} prompts with {stage.samples} answers each gave {outcomes} outcomes. Please report "
                "this; the same command does the shard again."
            )
        out.born(stage.name, outcomes + apart + stayed - out.read)

    def _made(self, trace: Trace) -> Record | Drop | Dead:
        try:
            made = self.result(trace)
            return made if made is trace or isinstance(made, Drop) else storable(made)
        except Exception as error:  # of this record, which becomes a dead letter, as in a chain
            return dead_letter(error)


def _write(out: ShardWriter, step: str, record: Record, outcome: Record | Drop | Dead) -> None:
    if isinstance(outcome, Drop):
        out.drop(step, outcome.record or record, outcome)
    elif isinstance(outcome, Dead):
        out.dead(step, record, outcome)
    else:
        out.keep(outcome)
