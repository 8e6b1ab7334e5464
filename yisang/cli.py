"""The commands. Thin: each parses, calls one function, prints, and sets the exit code.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 stopped and resumable.
"""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from yisang import __version__, cli_answers
from yisang.cli_output import json_line, print_json, say
from yisang.errors import Interrupt, UsageError, YisangError
from yisang.signals import stoppable

if TYPE_CHECKING:
    from yisang.pipelines.stages.teach import TeacherSetting

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Web pages in, a reasoning corpus out: filter, teach, publish.",
)

app.add_typer(cli_answers.app, name="answers")

RecipeArgument = Annotated[
    str, typer.Argument(metavar="RECIPE", help="A recipe file, or the name of a shipped recipe.")
]
RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="The folder of a run (what --out named).")]
InputsOption = Annotated[
    str | None, typer.Option("--inputs", help="Path of the inputs, for recipes whose build() takes it.")
]
AnswersOption = Annotated[
    str,
    typer.Option("--answers", help="Where teachers' answers are kept and looked up. [default: beside the run folder]"),
]
TeacherOption = Annotated[str, typer.Option("--teacher", help="Another engine for the recipe's teacher.")]
TeacherOptions = Annotated[
    list[str] | None,
    typer.Option("--teacher-option", help="name=value for the engine, e.g. base_url=URL; repeatable."),
]
ConcurrencyOption = Annotated[int | None, typer.Option("--concurrency", help="Requests in flight per teaching stream.")]
PriceOption = Annotated[
    str,
    typer.Option("--price", metavar="IN,OUT", help="What a million prompt and completion tokens cost, e.g. 0.10,0.40."),
]
LimitOption = Annotated[int | None, typer.Option("--limit", help="Read at most this many records of the sources.")]
StrictOption = Annotated[bool, typer.Option("--strict", help="Know inputs by the SHA-256 of their bytes.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def _version(wanted: bool) -> None:
    if wanted:
        print(f"yisang {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """What stands before the command."""


def _teacher_setting(engine: str, options: list[str], concurrency: int | None, price: str = "") -> TeacherSetting:
    from yisang.pipelines.stages.teach import TeacherSetting
    from yisang.teachers.telling import price_of

    parsed: dict[str, Any] = {}
    for option in options:
        name, sign, value = option.partition("=")
        if not sign:
            raise UsageError(
                f"--teacher-option {option!r} must look like name=value, for example base_url=http://host:8000/v1"
            )
        try:
            parsed[name] = json.loads(value)
        except json.JSONDecodeError:  # a plain word needs no quotes
            parsed[name] = value
    return TeacherSetting(engine, parsed, concurrency, price_of(price))


@app.command()
def plan(
    recipe: RecipeArgument,
    out: Annotated[str, typer.Option("--out", help="A run folder: says what is already done there.")] = "",
    answers: AnswersOption = "",
    inputs: InputsOption = None,
    limit: LimitOption = None,
    strict: StrictOption = False,
    pilot: Annotated[
        int | None,
        typer.Option(
            "--pilot",
            help="Run the steps before teaching into --out, ask the teacher about this many prompts, keep the answers, and "
            "estimate the rest.",
        ),
    ] = None,
    teacher: TeacherOption = "",
    teacher_option: TeacherOptions = None,
    concurrency: ConcurrencyOption = None,
    price: PriceOption = "",
    gpus: Annotated[
        int, typer.Option("--gpus", help="With --tokens-per-second: how many GPUs there will be.", min=1)
    ] = 1,
    tokens_per_second: Annotated[
        float | None,
        typer.Option(
            "--tokens-per-second", help="Completion tokens of one GPU. [default: of the pilot, all GPUs of it]"
        ),
    ] = None,
    workers: Annotated[int, typer.Option("--workers", help="With --pilot: processes for the steps before.")] = 1,
    as_json: JsonOption = False,
) -> None:
    """Shows the steps of a recipe, what is done already, and what teaching will ask and cost."""
    from yisang.pipelines.phases import Setting
    from yisang.pipelines.pilot import Rates, estimate, pilot_recipe
    from yisang.pipelines.planning import plan_text, recipe_plan
    from yisang.pipelines.recipe import load

    loaded = load(recipe, inputs)
    setting = Setting(out, answers, _teacher_setting(teacher, teacher_option or [], concurrency, price))
    rates = Rates(setting.teacher.price, gpus, tokens_per_second)
    if pilot is None and (price or tokens_per_second is not None or gpus != 1):
        raise UsageError("--price, --gpus and --tokens-per-second are for an estimate, which needs --pilot N.")
    if gpus != 1 and tokens_per_second is None:
        raise UsageError("--gpus needs --tokens-per-second, of one of them; the pilot's rate is that of its own GPUs.")
    name = ""
    tried: dict[str, Any] = {}
    if pilot is not None:
        name, tried = pilot_recipe(loaded, setting, pilot, workers=workers, limit=limit, strict=strict, say=say)
    found = recipe_plan(loaded, setting=setting, limit=limit, strict=strict)
    for entry in found["phases"]:
        if entry["name"] == name:
            teaching = entry["teaching"]
            teaching |= {"pilot": tried, "estimate": estimate(tried, teaching["to_ask"], rates)}
    if as_json:
        print_json(found)
    else:
        print(plan_text(found))


@app.command(context_settings={"allow_extra_args": True})
def run(
    context: typer.Context,
    recipe: RecipeArgument,
    out: Annotated[str, typer.Option("--out", help="The run folder; the same command continues a stopped run.")],
    on: Annotated[str, typer.Option("--on", help="The runner: local, beam, ray, slurm or nodes.")] = "local",
    workers: Annotated[int, typer.Option("--workers", help="Processes that work side by side.")] = 1,
    inputs: InputsOption = None,
    limit: LimitOption = None,
    strict: StrictOption = False,
    answers: AnswersOption = "",
    teacher: TeacherOption = "",
    teacher_option: TeacherOptions = None,
    concurrency: ConcurrencyOption = None,
    price: PriceOption = "",
) -> None:
    """Runs a recipe into a folder. Options of the runner go behind `--`."""
    from yisang.pipelines.phases import Setting
    from yisang.pipelines.recipe import load
    from yisang.pipelines.report import books_text
    from yisang.pipelines.run import check_recipe, run_recipe

    setting = Setting(
        out=out,
        answers=answers,
        teacher=_teacher_setting(teacher, teacher_option or [], concurrency, price),
    )
    if on == "slurm":
        from yisang.pipelines.runners.slurm import submit
        from yisang.storage import Folder

        if workers < 1:
            raise UsageError(f"--workers is {workers}; it must be at least 1.")
        if not Folder(out).local:
            raise UsageError(f"Machines that work together need a folder that they all see as a path; {out} is none.")
        loaded = load(recipe, inputs)
        check_recipe(loaded, setting, limit=limit, strict=strict)
        given: list[tuple[str, Any]] = [
            ("--inputs", inputs),
            ("--limit", limit),
            ("--answers", answers),
            ("--price", price),
        ]
        given += [("--teacher", teacher), ("--concurrency", concurrency)]
        given += [("--teacher-option", option) for option in teacher_option or []]
        words = ["run", recipe, "--out", os.path.abspath(out), *(["--strict"] if strict else [])]
        words += [f"{name}={value}" for name, value in given if value not in (None, "")]
        print(submit(loaded.recipe.name, out, words, workers, context.args))
        return
    books = run_recipe(
        load(recipe, inputs), setting, on=on, workers=workers, limit=limit, strict=strict, options=context.args, say=say
    )
    print(books_text(books))


@app.command()
def join(
    out: Annotated[str, typer.Argument(metavar="RUN", help="The folder that a run with --on nodes works in.")],
    workers: Annotated[int, typer.Option("--workers", help="Processes of this machine.")] = 1,
) -> None:
    """Works on a run that another machine leads (`yisang run RECIPE --out RUN --on nodes`), until it ends."""
    from yisang.pipelines.runners.nodes import join as join_run

    join_run(out, workers, say=say)


@app.command()
def show(
    run: RunArgument,
    identifier: Annotated[
        str, typer.Option("--id", help="Where this record, and what was made of it, went and why.")
    ] = "",
    drops: Annotated[
        int,
        typer.Option("--drops", help="Print this many drops, with reason and evidence; with --json whole, one a line."),
    ] = 0,
    dead: Annotated[
        int,
        typer.Option("--dead", help="Print this many dead letters; with --json whole, with tracebacks, one a line."),
    ] = 0,
    reason: Annotated[str, typer.Option("--reason", help="With --drops: only those dropped for this reason.")] = "",
    private: Annotated[
        bool, typer.Option("--private", help="Tell the text of what may not be redistributed, too.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Shows the books of a finished run, or the way of one record through it."""
    from yisang.pipelines import report
    from yisang.pipelines.run import open_run, read_books

    if identifier:
        found = report.trace_record(run, identifier, private)
        if as_json:
            print_json(found)
        for entry in [] if as_json else found:
            details = [
                f"{key}: {entry[key]}" for key in ("step", "reason", "evidence", "error", "message") if entry.get(key)
            ]
            print(f"{entry['phase']}  {entry['what']}  {entry['id']}" + "".join(f"\n    {line}" for line in details))
    elif drops or dead:
        for role, limit in (("drops", drops), ("dead", dead)):
            for row in report.rejected(run, role, limit, private, reason if role == "drops" else ""):
                print(json.dumps(row, ensure_ascii=False) if as_json else report.rejection_line(row))
    else:
        out, _ = open_run(run)
        books = read_books(out)
        if as_json:
            print_json(report.books_json(books))
        else:
            print(report.books_text(books))


@app.command()
def publish(
    run: RunArgument,
    to: Annotated[str | None, typer.Option("--to", help="A folder for the data set.")] = None,
    repo: Annotated[str | None, typer.Option("--repo", help="A data set on the Hugging Face Hub: user/name.")] = None,
    private: Annotated[
        bool, typer.Option("--private", help="Allow rows that may train but not be redistributed (B).")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the exact files and write nothing.")] = False,
) -> None:
    """Publishes the kept rows of a finished run as a data set with a card."""
    from yisang.pipelines.publish import publish as publish_run

    if to is None and repo is None:
        raise UsageError("Nowhere to publish to. Name a folder with --to DIR or a Hub data set with --repo user/name.")
    publish_run(run, to=to, repo=repo, private=private, dry_run=dry_run, say=print)


@app.command()
def quickstart(
    out: Annotated[str, typer.Option("--out", help="The run folder.")] = "out/quickstart",
    on: Annotated[str, typer.Option("--on", help="The runner: local, beam, ray, slurm or nodes.")] = "local",
    workers: Annotated[int, typer.Option("--workers", help="Processes that work side by side.")] = 2,
    teacher: Annotated[str, typer.Option("--teacher", help="mini, or scripted, which is no model.")] = "mini",
    student: Annotated[
        bool, typer.Option("--student/--no-student", help="Train mini-base on the corpus, scored before and after.")
    ] = True,
) -> None:
    """Builds a small corpus from the web that ships with yisang and trains on it: fetch, filter, teach, publish, train, score."""
    from yisang.quickstart.run import quickstart as run_quickstart

    run_quickstart(out, on=on, workers=workers, teacher=teacher, student=student, say=say)


@app.command()
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


@app.command()
def tasks(
    count: Annotated[int, typer.Option("--n", help="How many problems.")] = 10,
    ops: Annotated[str, typer.Option("--ops", help="Operations: a number or a range (digits, for addition).")] = "2-10",
    lang: Annotated[str, typer.Option("--lang", help="The language of the problems.")] = "ko",
    context: Annotated[str, typer.Option("--context", help="What they are about. [default: all, evenly]")] = "",
    preset: Annotated[str, typer.Option("--preset", help="general, narrow or addition.")] = "general",
    direction: Annotated[str, typer.Option("--direction", help="forward, reverse or both.")] = "forward",
    mode: Annotated[
        str, typer.Option("--mode", help="Of the gold trace: mixed, target_only or english_only. [default: mixed]")
    ] = "",
    seed: Annotated[int, typer.Option("--seed", help="The same seed gives the same problems everywhere.")] = 0,
    verify: Annotated[
        str | None, typer.Option("--verify", help="Verify a file of such objects with a `response` each.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False,
) -> None:
    """Makes arithmetic word problems with a known solution graph, or verifies solutions of them."""
    from yisang.tasks import listing

    if verify is not None:
        checked = []
        for item in listing.verified_lines(verify):
            if as_json:
                print(json_line(item))
            else:  # a file may be larger than memory
                checked.append({key: item[key] for key in ("process_acc", "answer_correct", "verified")})
        if not as_json:
            print(listing.summary(checked))
        return
    for problem in listing.listed(
        count, seed, ops=ops, language=lang, context=context, preset=preset, direction=direction, mode=mode
    ):
        found = problem.to_json()
        print(json.dumps(found, ensure_ascii=False) if as_json else listing.text(found))


@app.command("eval")
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


@app.command()
def doctor(as_json: JsonOption = False) -> None:
    """Says which engines, runners and extras work here, and the command that mends each that does not."""
    from yisang.doctor import examine, findings_text

    findings = examine()
    if as_json:
        print_json(findings)
    else:
        print(findings_text(findings))


def main(arguments: list[str] | None = None) -> int:
    """Runs a command line; errors are one paragraph on standard error."""
    try:
        with stoppable():
            app(args=arguments, prog_name="yisang")
    except YisangError as error:
        print(f"yisang: {error}", file=sys.stderr)
        return error.exit_code
    except Interrupt as interrupt:
        print(f"yisang: {interrupt.error}", file=sys.stderr)
        return interrupt.error.exit_code
    except SystemExit as ended:  # typer ends so, with 2 for wrong usage
        return ended.code if isinstance(ended.code, int) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
