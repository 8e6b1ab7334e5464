"""The command line: the commands of `yisang.commands` in the order of `--help`, and how they end.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 stopped and resumable.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from yisang import __version__
from yisang.commands import answers, checks, crawl, models, purge, recipes, runs, tasks
from yisang.errors import Interrupt, YisangError
from yisang.signals import stoppable

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Web pages in, a reasoning corpus out: filter, teach, publish.",
)

app.add_typer(answers.app, name="answers")


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


app.command()(recipes.init)
app.command()(recipes.plan)
app.command()(crawl.crawl)
app.command()(crawl.rights)
# What stands behind `--` is the runner's.
app.command(context_settings={"allow_extra_args": True})(recipes.run)
app.command()(recipes.join)
app.command()(runs.show)
app.command()(runs.diff)
app.command()(runs.publish)
app.command()(purge.purge)
app.command()(recipes.quickstart)
app.command()(models.sft)
app.command()(tasks.tasks)
app.command("eval")(models.evaluation)
app.command()(checks.doctor)


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
