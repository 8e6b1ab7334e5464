"""Models: sft trains one, eval scores one."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from yisang.commands.options import AnswersOption, JsonOption
from yisang.commands.output import print_json, say
from yisang.errors import UsageError


def sft(
    config: Annotated[
        str, typer.Argument(metavar="CONFIG", help="A TOML file, or the name of a shipped configuration.")
    ],
    out: Annotated[str, typer.Option("--out", help="The run folder; the same command continues a stopped run.")] = "",
    sets: Annotated[
        list[str] | None, typer.Option("--set", help="key=value over the file, e.g. optimizer.rate=1e-5; repeatable.")
    ] = None,
    plan: Annotated[bool, typer.Option("--plan", help="Print what it would do, and train nothing.")] = False,
    processes: Annotated[int, typer.Option("--processes", help="With --plan: for how many processes.")] = 1,
    as_json: JsonOption = False,
) -> None:
    """Trains a model on conversations: rows of a finished run, files, a Hub data set, or worded tasks.

    On several GPUs: torchrun --nproc_per_node 8 -m yisang sft CONFIG --out DIR
    """
    from yisang.sft.config import load_config

    found = load_config(config, sets or [])
    if plan:
        from yisang.sft.plan import plan_text, training_plan

        planned = training_plan(found, processes, say)
        if as_json:
            print_json(planned)
        else:
            print(plan_text(planned))
        return
    if not out:
        raise UsageError("Nowhere to write to. Name a folder with --out DIR, or ask with --plan what would be done.")
    from yisang.sft.run import process_rank, train

    model = train(found, out, say=say)
    if process_rank() == 0:
        print(model)


def evaluation(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="A model folder, a shipped model, or a name with --engine.")
    ] = "",
    bench: Annotated[
        list[str] | None,
        typer.Option("--bench", help="tasks, mgsm or mmath, with settings: tasks:lang=ko,ops=1-4; repeatable."),
    ] = None,
    out: Annotated[str, typer.Option("--out", help="The folder; the same command goes on from where it stopped.")] = "",
    protocol: Annotated[
        str, typer.Option("--protocol", help="paper, last-box, mmath or greedy. [default: paper]")
    ] = "",
    max_tokens: Annotated[int | None, typer.Option("--max-tokens", help="Of one answer, thinking included.")] = None,
    runs: Annotated[int | None, typer.Option("--runs", help="Passes over a benchmark.")] = None,
    samples: Annotated[
        int | None, typer.Option("--samples", help="Answers to a question in a pass; above 1, pass@k is told.")
    ] = None,
    temperature: Annotated[float | None, typer.Option("--temperature", help="Of sampling.")] = None,
    engine: Annotated[str, typer.Option("--engine", help="transformers, openai, mini, scripted or echo.")] = "",
    engine_option: Annotated[
        list[str] | None,
        typer.Option("--engine-option", help="name=value for the engine, e.g. base_url=URL; repeatable."),
    ] = None,
    revision: Annotated[str, typer.Option("--revision", help="Of a model that is no local folder.")] = "",
    answers: AnswersOption = "",
    concurrency: Annotated[int | None, typer.Option("--concurrency", help="Requests in flight.")] = None,
    purpose: Annotated[
        str, typer.Option("--purpose", help="training, ablation or final; held-out is for final. [default: final]")
    ] = "",
    config: Annotated[str, typer.Option("--config", help="A TOML file with all of these.")] = "",
    sets: Annotated[
        list[str] | None, typer.Option("--set", help="key=value over the file, e.g. protocol.seed=7; repeatable.")
    ] = None,
    retry: Annotated[bool, typer.Option("--retry", help="In a finished folder, ask again for what failed.")] = False,
    score: Annotated[
        str, typer.Option("--score", help="Score a file of raw outputs instead: JSON Lines with gold and response.")
    ] = "",
    compare: Annotated[
        tuple[str, str] | None, typer.Option("--compare", metavar="DIR_A DIR_B", help="Compare two finished folders.")
    ] = None,
    measure: Annotated[
        str, typer.Option("--measure", help="With --score or --compare: which. [default: the score]")
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Evaluates a model on benchmarks, scores raw outputs again, or compares two evaluations."""
    from yisang.evals import command

    protocol_settings: dict[str, Any] = {
        "name": protocol or None,
        "max_tokens": max_tokens,
        "runs": runs,
        "samples": samples,
        "temperature": temperature,
    }
    given: dict[str, Any] = {
        "model": model or None,
        "bench": bench,
        "engine": engine or None,
        "revision": revision or None,
        "answers": answers or None,
        "concurrency": concurrency,
        "purpose": purpose or None,
    } | {f"protocol.{name}": value for name, value in protocol_settings.items()}
    if score or compare:
        found = command.offline(score, compare, measure, given, config, sets or [])
    else:
        setting = command.setting(given, engine_option or [], config, sets or [])
        found = command.online(setting, out, retry, say)
    if as_json:
        print_json(found.table)
    else:
        print(found.text)
