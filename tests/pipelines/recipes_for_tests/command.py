"""`yisang run RECIPE OUT ON WORKERS`, for tests: prints what is said, and exits as the command line does."""

from __future__ import annotations

import os
import sys
from functools import partial

from yisang.errors import YisangError
from yisang.pipelines.phases import Setting
from yisang.pipelines.recipe import load
from yisang.pipelines.run import run_recipe


def main() -> int:
    recipe, out, on, workers = sys.argv[1:]
    os.environ["YISANG_TEST_COMMAND"] = str(os.getpid())
    if on == "here":
        from yisang.pipelines.runners import RUNNERS

        sys.path.insert(0, __file__.rsplit("/", 2)[0])
        from recipes_for_tests.helpers import here

        RUNNERS["here"] = here
    if on == "leaderless":  # a leader without workers of its own machine
        from yisang.pipelines.runners import RUNNERS
        from yisang.pipelines.runners.nodes import lead

        RUNNERS[on] = lambda payload, phases, **_: lead(payload, phases, workers=0)
    try:
        run_recipe(load(recipe), Setting(out=out), on=on, workers=int(workers), say=partial(print, flush=True))
    except YisangError as error:
        print(f"{type(error).__name__}: {error}", flush=True)
        return error.exit_code
    print("done", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
