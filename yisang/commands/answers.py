"""`yisang answers`: what teachers have answered so far, and the upkeep of where it is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from yisang.commands.options import JsonOption
from yisang.errors import UsageError

if TYPE_CHECKING:
    from yisang.teachers.answers import AnswerStore
    from yisang.teachers.upkeep import Wanted

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Counts, lists, exports, compacts and purges stored answers."
)

StoreArgument = Annotated[
    str, typer.Argument(metavar="STORE", help="The folder of an answer store (what --answers named).")
]
ModelOption = Annotated[str, typer.Option("--model", help="Answers of this model.")]
RevisionOption = Annotated[str, typer.Option("--revision", help="Answers of this revision.")]
FinishOption = Annotated[str, typer.Option("--finish", help="Answers with this finish reason, e.g. length.")]
BeforeOption = Annotated[
    str, typer.Option("--before", help="Answers from before this date or time (UTC), e.g. 2026-11-01.")
]


def _opened(address: str) -> AnswerStore:
    from yisang.teachers.answers import AnswerStore

    store = AnswerStore(address)
    if not store.folder.exists("store.json"):
        raise UsageError(
            f"There is no answer store in {address}. Name the folder that --answers named, or RUN's neighbour answers/."
        )
    return store


def _wanted(model: str, revision: str, finish: str, before: str) -> Wanted:
    import datetime

    from yisang.teachers.upkeep import Wanted

    if before:
        try:
            moment = datetime.datetime.fromisoformat(before)
        except ValueError as error:
            raise UsageError(
                f"--before {before} is no date: {error}. Write it as 2026-11-01 or 2026-11-01T12:00:00."
            ) from error
        # As answers are stamped; a date alone is its beginning.
        moment = moment.replace(tzinfo=datetime.UTC) if moment.tzinfo is None else moment.astimezone(datetime.UTC)
        before = moment.isoformat(timespec="seconds")
    return Wanted(model, revision, finish, before)


@app.command()
def count(store: StoreArgument, as_json: JsonOption = False) -> None:
    """How many answers there are, by model and revision, and how whole the store is."""
    import msgspec

    from yisang.commands.output import print_json
    from yisang.teachers.upkeep import survey, survey_text

    found = survey(_opened(store))
    if as_json:
        print_json(msgspec.to_builtins(found))
    else:
        print(survey_text(found))


@app.command("list")
def list_answers(
    store: StoreArgument,
    model: ModelOption = "",
    revision: RevisionOption = "",
    finish: FinishOption = "",
    before: BeforeOption = "",
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many.")] = 20,
    as_json: JsonOption = False,
) -> None:
    """Answers one by one: key, model, sample, time, finish reason, tokens, and how the text begins."""
    from itertools import islice

    import msgspec

    from yisang.commands.output import json_line
    from yisang.teachers.upkeep import answers

    for answer in islice(answers(_opened(store), _wanted(model, revision, finish, before)), limit):
        if as_json:
            print(json_line(msgspec.to_builtins(answer)))
            continue
        said, tokens = answer.generation, answer.generation.usage.completion_tokens
        begins = " ".join(said.text.split())
        begins = begins if len(begins) <= 60 else f"{begins[:60]}…"
        print(
            f"{answer.key[:12]}  {answer.model} at {answer.revision}, sample {answer.sample}, {answer.at[:19]}, "
            f"{said.finish_reason}, {'?' if tokens is None else f'{tokens:,}'} tokens: {begins}"
        )


@app.command()
def export(
    store: StoreArgument,
    out: Annotated[str, typer.Option("--out", help="The file to write, JSON Lines.")],
    model: ModelOption = "",
    revision: RevisionOption = "",
    finish: FinishOption = "",
    before: BeforeOption = "",
) -> None:
    """Writes answers to a file, each once."""
    from yisang.teachers import upkeep

    written = upkeep.export(_opened(store), out, _wanted(model, revision, finish, before))
    print(f"{written:,} answers → {out}")


@app.command()
def compact(store: StoreArgument) -> None:
    """Puts the answers of many segments into few, each once. Runs may use the store meanwhile."""
    from yisang.teachers.upkeep import compact, compacted_text

    print(compacted_text(compact(_opened(store))))


@app.command()
def purge(
    store: StoreArgument,
    model: ModelOption = "",
    revision: RevisionOption = "",
    finish: FinishOption = "",
    before: BeforeOption = "",
    yes: Annotated[bool, typer.Option("--yes", help="Remove them; without it they are only counted.")] = False,
) -> None:
    """Removes answers for good: they are asked, and paid, again by a run that needs them."""
    from yisang.teachers.upkeep import answers, compact, compacted_text

    wanted, opened = _wanted(model, revision, finish, before), _opened(store)
    if not wanted:
        raise UsageError(
            "Say which answers to purge: --model, --revision, --finish or --before. To remove all, remove the folder."
        )
    if not yes:
        print(f"{sum(1 for _ in answers(opened, wanted)):,} answers would be removed. With --yes they are.")
        return
    print(compacted_text(compact(opened, wanted)))
