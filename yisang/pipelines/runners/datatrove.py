"""The `local` runner: datatrove's LocalPipelineExecutor, one pipeline of one block per phase, one task per shard.

datatrove has no shuffle, hence a phase per Group. Its own completion markers are not used: they name tasks by number,
and what is done is said by the shard commits. Only this module imports datatrove.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import Any

import msgspec
from datatrove.data import Document
from datatrove.executor.local import LocalPipelineExecutor
from datatrove.pipeline.base import PipelineStep
from datatrove.utils.stats import PipelineStats
from loguru import logger

from yisang.pipelines.execution import commit_phase, load_job, plan_shards, run_shard
from yisang.pipelines.progress import WorkerDied
from yisang.processes import die_with, die_with_parent
from yisang.records import Drop, Measure, Prompt, Record, with_measures

# A task logs some twenty lines; our progress and failures say what a user needs.
logger.disable("datatrove")


class _Payload(bytes):
    """The job's bytes, short where datatrove writes its blocks' attributes into executor.json."""

    def __str__(self) -> str:
        return f"{len(self)} bytes"


class ShardBlock(PipelineStep):
    """A datatrove block that does the shard of its task."""

    name = "yisang shard"
    type = "yisang"

    def __init__(self, payload: bytes, phase: int, shards: list[int]):
        super().__init__()
        self.payload, self.phase, self.shards = _Payload(payload), phase, shards

    def run(self, data: Any, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        run_shard(bytes(self.payload), self.phase, self.shards[rank])
        return iter(())


def run(payload: bytes, phases: int, *, workers: int, options: list[str], logs: str) -> None:
    """Runs all phases on this machine with `workers` processes. logs: folder for datatrove's own files."""
    # The fork server imports what workers need once (pyarrow imports pandas, where it is installed, at its first array).
    job = load_job(payload)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, "pandas"])
    with contextlib.ExitStack() as closing:
        pool = ProcessPoolExecutor(workers, context, _at_work, (os.getpid(),)) if workers > 1 else None
        if pool is not None:
            closing.callback(pool.shutdown, wait=True, cancel_futures=True)
        for number in range(phases):
            shards = plan_shards(payload, number)
            if shards:
                executor = _Executor(
                    [ShardBlock(payload, number, shards)],
                    tasks=len(shards),
                    logging_dir=os.path.join(logs, f"{number:02d}"),
                    skip_completed=False,
                )
                alone = job.plan.phases[number].alone(job.setting)
                executor.run_in(None if alone else pool)
            commit_phase(payload, number)


def _at_work(command: int) -> None:
    """A worker goes when the command goes, and leaves Ctrl-C to it."""
    # The fork server goes with the command too, and then the kernel ends a worker that cannot run its own thread.
    die_with_parent()
    die_with(command)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


class _Executor(LocalPipelineExecutor):
    """datatrove's executor on a pool that notices when a worker is killed, where multiprocess.Pool waits for ever."""

    def _run_for_rank(self, rank: int, local_rank: int = 0, node_rank: int = -1) -> PipelineStats:
        """A task of datatrove's, less its log file, its statistics and its mark of completion. Nobody reads those: datatrove
        is silenced, and what is done is in the run folder. Three log handlers for each task took 15 ms, more than a small
        shard."""
        self._set_distributed_environment(node_rank)
        data: Any = None
        for block in self.pipeline:
            data = block(data, rank, self.world_size)
        deque(data or (), maxlen=0)
        return PipelineStats()

    def run_in(self, pool: ProcessPoolExecutor | None) -> None:
        if pool is None:
            for rank in range(self.tasks):
                self._run_for_rank(rank)
            return
        waiting = {pool.submit(self._run_for_rank, rank) for rank in range(self.tasks)}
        try:
            for future in as_completed(waiting):
                future.result()
        except BrokenProcessPool as error:
            raise WorkerDied(
                "A worker process was killed, likely for lack of memory. Run the same command again with fewer --workers; it "
                "goes on from what is stored."
            ) from error
        except BaseException:
            for worker in list(pool._processes.values()):
                worker.kill()
            raise


def _settings(value: Any) -> Any:
    """The attributes of a block; a plain object of datatrove's inside of it is its attributes too."""
    return {
        name: {"type": type(item), "settings": _settings(item)}
        if type(item).__module__.startswith("datatrove.") and hasattr(item, "__dict__") and not isinstance(item, type)
        else item
        for name, item in vars(value).items()
        if name != "stats"
    }


class FromDatatrove:
    """A datatrove per-document block (filter, formatter, extractor) as the function of an Each.

    The text of the record is the document's text, its measures and id go along. A document that the block drops is a
    Drop with the block's reason; a changed text or metadata comes back as text and measures. Blocks that read or write
    files by rank do not fit here.
    """

    def __init__(self, block: PipelineStep):
        self.block = block

    def identity(self) -> dict[str, Any]:
        return {"block": type(self.block), "settings": _settings(self.block)}

    def __call__(self, record: Prompt) -> Record | Drop | list[Record | Drop]:
        # All of datatrove's filters come with it, and most commands use none.
        from datatrove.pipeline.filters.base_filter import BaseFilter, get_filter_result

        document = Document(text=record.text, id=record.id, metadata=dict(record.measures))
        if isinstance(self.block, BaseFilter):
            # Not through run(), which tells its reason to an exclusion writer only.
            passes, reason = get_filter_result(self.block.filter(document))
            if not passes:
                return Drop(str(reason or "filtered"), {"block": type(self.block).__name__})
            passed = [document]
        else:
            passed = list(self.block.run(iter([document])))
            if not passed:
                return Drop("filtered", {"block": type(self.block).__name__})
        if len(passed) > 1:
            raise TypeError(f"{type(self.block).__name__} made {len(passed)} documents of one; an Each needs one.")
        measures = {key: value for key, value in passed[0].metadata.items() if record.measures.get(key) != value}
        changed = msgspec.structs.replace(record, text=passed[0].text) if passed[0].text != record.text else record
        return with_measures(changed, measures) if measures else changed


class ToDatatrove(PipelineStep):
    """A function of ours (a filter, a measure) as a block of a datatrove pipeline.

    Documents become Prompts of `language`; measures come back as metadata, a drop as datatrove's filter_reason count.
    """

    type = "yisang"

    def __init__(self, fn: Any, language: str = ""):
        self.name = getattr(fn, "__name__", type(fn).__name__)
        super().__init__()
        self.fn, self.language = fn, language

    def run(self, data: Iterable[Document], rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        for document in data:
            measures: dict[str, Measure] = {
                k: v for k, v in document.metadata.items() if isinstance(v, bool | int | float | str)
            }
            prompt = Prompt(id=document.id, text=document.text, language=self.language, measures=measures)
            outcome = self.fn(prompt)
            if isinstance(outcome, dict):
                outcome = with_measures(prompt, outcome)
            if isinstance(outcome, Drop):
                self.stat_update("dropped", f"dropped_{outcome.reason}")
            elif isinstance(outcome, Prompt):
                self.stat_update("forwarded")
                document.text = outcome.text
                document.metadata.update(outcome.measures)
                yield document
            else:
                raise TypeError(
                    f"{self.name} returned {type(outcome).__name__}; a block here passes or drops one document."
                )
