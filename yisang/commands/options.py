"""Arguments and options that several commands share, and what is made of them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from yisang.errors import UsageError

if TYPE_CHECKING:
    from yisang.pipelines.stages.teach import TeacherSetting

RecipeArgument = Annotated[
    str, typer.Argument(metavar="RECIPE", help="A recipe file, or the name of a shipped recipe.")
]
RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="The folder of a run (what --out named).")]
InputsOption = Annotated[
    str | None, typer.Option("--inputs", help="Path of the inputs, for recipes whose build() takes it.")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", help="key=value for the recipe's build(), e.g. taught_by=mini; repeatable."),
]
AnswersOption = Annotated[
    str,
    typer.Option("--answers", help="Where teachers' answers are kept and looked up. [default: beside the run folder]"),
]
TeacherOption = Annotated[str, typer.Option("--teacher", help="Another engine for the recipe's teacher.")]
TeacherOptions = Annotated[
    list[str] | None,
    typer.Option(
        "--teacher-option",
        help="name=value for the engine, e.g. base_url=URL; base_url.MODEL=URL for one of several models; repeatable.",
    ),
]
ConcurrencyOption = Annotated[int | None, typer.Option("--concurrency", help="Requests in flight per teaching stream.")]
PriceOption = Annotated[
    str,
    typer.Option("--price", metavar="IN,OUT", help="What a million prompt and completion tokens cost, e.g. 0.10,0.40."),
]
LimitOption = Annotated[int | None, typer.Option("--limit", help="Read at most this many records of the sources.")]
StrictOption = Annotated[bool, typer.Option("--strict", help="Know inputs by the SHA-256 of their bytes.")]
PrivateTextOption = Annotated[
    bool, typer.Option("--private", help="Tell the text of what may not be redistributed, too.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def teacher_setting(engine: str, options: list[str], concurrency: int | None, price: str = "") -> TeacherSetting:
    """How the command line says that the teacher is reached. Raises UsageError for an option that is no name=value."""
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
