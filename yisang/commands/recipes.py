"""What makes and runs a recipe: init, plan, run, join, quickstart."""

from __future__ import annotations

import datetime
import os
from typing import Annotated, Any

import typer

from yisang.commands.options import (
    AnswersOption,
    ConcurrencyOption,
    InputsOption,
    JsonOption,
    LimitOption,
    PriceOption,
    RecipeArgument,
    SetOption,
    StrictOption,
    TeacherOption,
    TeacherOptions,
    teacher_setting,
)
from yisang.commands.output import print_json, say
from yisang.errors import UsageError


def init(
    code: Annotated[str, typer.Argument(metavar="CODE", help="The language's BCP 47 code, e.g. ja.")],
    out: Annotated[str, typer.Option("--out", help="The folder. [default: named by the code]")] = "",
    name: Annotated[str, typer.Option("--name", help="The language's name in English, where it does not ship.")] = "",
) -> None:
    """Writes a project for a corpus in a language: registry of sites, recipe, language file."""
    from yisang.pipelines.init import init as init_project
    from yisang.pipelines.init import project_text

    print(project_text(init_project(code, out, name)))


def plan(
    recipe: RecipeArgument,
    out: Annotated[str, typer.Option("--out", help="A run folder: says what is already done there.")] = "",
    answers: AnswersOption = "",
    inputs: InputsOption = None,
    sets: SetOption = None,
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
    from yisang.pipelines.ahead import registry_warnings
    from yisang.pipelines.phases import Setting
    from yisang.pipelines.pilot import Rates, estimate, pilot_recipe
    from yisang.pipelines.planning import plan_text, recipe_plan
    from yisang.pipelines.recipe import load

    loaded = load(recipe, inputs, sets or [])
    for line in registry_warnings(loaded.recipe, datetime.date.today()):
        say(line)
    setting = Setting(out, answers, teacher_setting(teacher, teacher_option or [], concurrency, price))
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


def run(
    context: typer.Context,
    recipe: RecipeArgument,
    out: Annotated[str, typer.Option("--out", help="The run folder; the same command continues a stopped run.")],
    on: Annotated[str, typer.Option("--on", help="The runner: local, beam, ray, slurm or nodes.")] = "local",
    workers: Annotated[int, typer.Option("--workers", help="Processes that work side by side.")] = 1,
    inputs: InputsOption = None,
    sets: SetOption = None,
    limit: LimitOption = None,
    strict: StrictOption = False,
    answers: AnswersOption = "",
    teacher: TeacherOption = "",
    teacher_option: TeacherOptions = None,
    concurrency: ConcurrencyOption = None,
    price: PriceOption = "",
) -> None:
    """Runs a recipe into a folder. Options of the runner go behind `--`."""
    from yisang.pipelines.ahead import registry_warnings
    from yisang.pipelines.expected import expected_text
    from yisang.pipelines.phases import Setting
    from yisang.pipelines.recipe import load
    from yisang.pipelines.report import books_text
    from yisang.pipelines.run import check_recipe, run_recipe

    setting = Setting(
        out=out,
        answers=answers,
        teacher=teacher_setting(teacher, teacher_option or [], concurrency, price),
    )
    loaded = load(recipe, inputs, sets or [])
    for line in registry_warnings(loaded.recipe, datetime.date.today()):
        say(line)
    if on == "slurm":
        from yisang.pipelines.runners.slurm import submit
        from yisang.storage import Folder

        if workers < 1:
            raise UsageError(f"--workers is {workers}; it must be at least 1.")
        if not Folder(out).local:
            raise UsageError(f"Machines that work together need a folder that they all see as a path; {out} is none.")
        check_recipe(loaded, setting, limit=limit, strict=strict)
        given: list[tuple[str, Any]] = [
            ("--inputs", inputs),
            ("--limit", limit),
            ("--answers", answers),
            ("--price", price),
        ]
        given += [("--teacher", teacher), ("--concurrency", concurrency)]
        given += [("--teacher-option", option) for option in teacher_option or []]
        given += [("--set", word) for word in sets or []]
        words = ["run", recipe, "--out", os.path.abspath(out), *(["--strict"] if strict else [])]
        words += [f"{name}={value}" for name, value in given if value not in (None, "")]
        print(submit(loaded.recipe.name, out, words, workers, context.args))
        return
    books = run_recipe(
        loaded, setting, on=on, workers=workers, limit=limit, strict=strict, options=context.args, say=say
    )
    print(books_text(books))
    if loaded.recipe.expected:
        print(expected_text(books, loaded.recipe.expected))


def join(
    out: Annotated[str, typer.Argument(metavar="RUN", help="The folder that a run with --on nodes works in.")],
    workers: Annotated[int, typer.Option("--workers", help="Processes of this machine.")] = 1,
) -> None:
    """Works on a run that another machine leads (`yisang run RECIPE --out RUN --on nodes`), until it ends."""
    from yisang.pipelines.runners.nodes import join as join_run

    join_run(out, workers, say=say)


def quickstart(
    out: Annotated[
        str | None,
        typer.Option(
            "--out",
            help="The run folder. [default: out/quickstart, of another language than Korean out/quickstart-LANG]",
        ),
    ] = None,
    language: Annotated[str, typer.Option("--language", help="The web's language, one that has a web.")] = "ko",
    on: Annotated[str, typer.Option("--on", help="The runner: local, beam, ray, slurm or nodes.")] = "local",
    workers: Annotated[int, typer.Option("--workers", help="Processes that work side by side.")] = 2,
    teacher: Annotated[
        str,
        typer.Option(
            "--teacher", help="mini, or scripted, which is no model. [default: mini, where it knows the language]"
        ),
    ] = "",
    student: Annotated[
        bool | None,
        typer.Option(
            "--student/--no-student",
            help="Train mini-base on the corpus, scored before and after. [default: where it knows the language]",
        ),
    ] = None,
) -> None:
    """Builds a small corpus from the web that ships with yisang and trains on it: fetch, filter, teach, publish, train, score."""
    from yisang.quickstart.run import quickstart as run_quickstart

    if out is None:
        out = "out/quickstart" if language == "ko" else f"out/quickstart-{language}"
    run_quickstart(out, language=language, on=on, workers=workers, teacher=teacher, student=student, say=say)
