"""The `beam` runner: the whole plan as one Beam pipeline, on FnApiRunner unless the options name another.

    token ─ PlanShards ─ Reshuffle ─ RunShard ─ count ─ CommitPhase ─ token ─ ...

Each phase is one fused stage behind a Reshuffle, so shards spread over workers after the source and after every
expansion; the count is the barrier between phases. Records do not pass through Beam's own shuffle: what a bundle
writes is committed per shard on the run folder, so a retried bundle does no harm, a killed job goes on where it was,
groups may be larger than memory on every Beam runner, and the books count the same files on all engines.

Only this module imports Beam.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import sys
from collections.abc import Iterable, Iterator
from typing import Any


def _worth_telling(record: logging.LogRecord) -> bool:
    return "apitools not found" not in record.getMessage()


# Beam warns at its import that Google's clients are not installed, which most users of this runner want so.
logging.getLogger().addFilter(_worth_telling)

import apache_beam as beam  # noqa: E402
from apache_beam.options.pipeline_options import PipelineOptions, SetupOptions, StandardOptions  # noqa: E402

from yisang.errors import UsageError  # noqa: E402
from yisang.pipelines.chain import run_chain  # noqa: E402
from yisang.pipelines.execution import commit_phase, plan_shards, run_shard  # noqa: E402
from yisang.pipelines.steps import Batch, Each  # noqa: E402
from yisang.processes import die_with  # noqa: E402
from yisang.records import Dead, Drop, Record  # noqa: E402

_STARTED_BY = "YISANG_BEAM_DRIVER"


class _Phase(beam.DoFn):
    """A DoFn of one phase of the job."""

    def __init__(self, payload: bytes, phase: int):
        self.payload, self.phase = payload, phase

    def setup(self) -> None:
        command = os.environ.get(_STARTED_BY)
        if command is not None and command != str(os.getpid()):
            die_with(int(command))


class PlanShards(_Phase):
    """A token → the shards still to run."""

    def process(self, token: Any) -> Iterator[int]:
        yield from plan_shards(self.payload, self.phase)


class RunShard(_Phase):
    """A shard → the shard, done."""

    def process(self, shard: int) -> Iterator[int]:
        run_shard(self.payload, self.phase, shard)
        yield shard


class CommitPhase(_Phase):
    """The count of shards → the token of the next phase."""

    def process(self, count: int) -> Iterator[int]:
        commit_phase(self.payload, self.phase)
        yield count


def build(pipeline: beam.Pipeline, payload: bytes, phases: int) -> None:
    """Adds the phases of a job to a Beam pipeline."""
    token = pipeline | "Start" >> beam.Create([0])
    for number in range(phases):
        token = (
            token
            | f"{number:02d} PlanShards" >> beam.ParDo(PlanShards(payload, number))
            | f"{number:02d} Reshuffle" >> beam.Reshuffle()
            | f"{number:02d} RunShard" >> beam.ParDo(RunShard(payload, number))
            | f"{number:02d} Count" >> beam.combiners.Count.Globally()
            | f"{number:02d} CommitPhase" >> beam.ParDo(CommitPhase(payload, number))
        )


def pipeline_options(workers: int, options: list[str]) -> PipelineOptions:
    """Beam's options. Without --runner: FnApiRunner, in this process for one worker, else in `workers` processes.

    (Beam's own default runner would first try to download another one.)
    """
    _refuse_unknown(options)
    parsed = PipelineOptions(options)
    if parsed.view_as(StandardOptions).runner is None:
        mode = ["--direct_running_mode=multi_processing", f"--direct_num_workers={workers}"] if workers > 1 else []
        if any(option.startswith("--direct_running_mode") for option in options):
            mode = [f"--direct_num_workers={workers}"]
        parsed = PipelineOptions([*options, *mode, "--runner=FnApiRunner"])
    parsed.view_as(SetupOptions).save_main_session = False
    return parsed


def _refuse_unknown(options: list[str]) -> None:
    """Beam itself passes over options that it does not know, and so over a misspelt one."""
    parser = argparse.ArgumentParser(
        add_help=False, allow_abbrev=False, conflict_handler="resolve", exit_on_error=False
    )
    waiting = [PipelineOptions]
    while waiting:
        kind = waiting.pop()
        waiting += kind.__subclasses__()
        if "_add_argparse_args" in vars(kind):
            kind._add_argparse_args(parser)
    try:
        _, unknown = parser.parse_known_args(options)
    except argparse.ArgumentError as error:
        raise UsageError(f"Beam cannot read its options {' '.join(options)}: {error}.") from error
    if unknown:
        raise UsageError(f"Beam has no option {unknown[0]}. Its options stand behind `--`; see Beam's PipelineOptions.")


def run(payload: bytes, phases: int, *, workers: int, options: list[str], logs: str) -> None:
    """Runs all phases as one Beam job and waits for it."""
    os.environ[_STARTED_BY] = str(os.getpid())
    pipeline = beam.Pipeline(options=pipeline_options(workers, options))
    build(pipeline, payload, phases)
    with _worker_output_to(os.path.join(logs, "beam.log")):
        pipeline.run().wait_until_finish()


@contextlib.contextmanager
def _worker_output_to(path: str) -> Iterator[None]:
    """Sends what worker processes write to the error output into a file: dozens of lines for each, even when all is
    well. What this process says goes on to where it went. A failed run shows the end of the file."""
    ours = sys.stderr
    sys.stderr.flush()
    terminal = os.dup(2)
    try:
        with open(path, "wb") as log, open(terminal, "w", buffering=1, closefd=False) as stderr:
            os.dup2(log.fileno(), 2)
            sys.stderr = stderr
            try:
                yield
            finally:
                sys.stderr = ours
                os.dup2(terminal, 2)
    except Exception:
        with open(path, "rb") as log:
            log.seek(max(0, os.fstat(log.fileno()).st_size - 2_000))
            logging.getLogger(__name__).warning("the end of Beam's log:\n%s", log.read().decode(errors="replace"))
        raise
    finally:
        os.close(terminal)


def smoke_test() -> None:
    """Runs a pipeline of one element, for `yisang doctor`. Raises what Beam raises."""
    with beam.Pipeline(options=pipeline_options(1, [])) as pipeline:
        _ = pipeline | "One" >> beam.Create([1]) | "Two" >> beam.Map(lambda number: number + 1)


class Apply(beam.PTransform):
    """Our Each and Batch steps inside a Beam pipeline of one's own: records in, kept records out.

    `results = records | Apply(steps)`; `results.kept`, `results.drops` and `results.dead` hold (step, record, Drop)
    and (step, record, Dead). Batch steps see the records of a bundle.
    """

    def __init__(self, steps: Iterable[Each | Batch]):
        super().__init__()
        self.steps = tuple(steps)

    def expand(self, records: Any) -> Any:
        return records | beam.ParDo(_Chain(self.steps)).with_outputs("drops", "dead", main="kept")


class _Chain(beam.DoFn):
    def __init__(self, steps: tuple[Each | Batch, ...]):
        self.steps = steps

    def start_bundle(self) -> None:
        self.held: list[Record] = []
        self.size = max((step.size for step in self.steps if isinstance(step, Batch)), default=1)

    def process(self, record: Record) -> Iterator[Any]:
        self.held.append(record)
        if len(self.held) >= self.size:
            yield from self._apply()

    def finish_bundle(self) -> Iterator[Any]:
        # Beam wants a window for what a finished bundle still gives; the records of a batch have none in common.
        for output in self._apply():
            tag, value = (output.tag, output.value) if isinstance(output, beam.pvalue.TaggedOutput) else (None, output)
            windowed = beam.transforms.window.GlobalWindows.windowed_value(value)
            yield beam.pvalue.TaggedOutput(tag, windowed) if tag else windowed

    def _apply(self) -> Iterator[Any]:
        accounts, held = _Tagged(), self.held
        self.held = []
        yield from run_chain(held, self.steps, accounts)
        yield from accounts.outputs


class _Tagged:
    """What a chain does not pass on, as tagged outputs."""

    def __init__(self) -> None:
        self.outputs: list[Any] = []

    def drop(self, step: str, record: Record, drop: Drop) -> None:
        self.outputs.append(beam.pvalue.TaggedOutput("drops", (step, record, drop)))

    def dead(self, step: str, record: Record, dead: Dead) -> None:
        self.outputs.append(beam.pvalue.TaggedOutput("dead", (step, record, dead)))

    def born(self, step: str, count: int) -> None:
        """Beam counts elements itself."""
