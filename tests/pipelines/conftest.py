"""Commands that a test started end with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from recipes_for_tests.helpers import Command, start


@pytest.fixture
def starting(tmp_path: Path) -> Iterator[Callable[..., Command]]:
    """Starts commands; whatever is left of them is killed when the test ends."""
    started: list[Command] = []

    def begin(recipe_file: Path, out: Path, on: str = "local", workers: int = 1, **environment: str) -> Command:
        started.append(start(recipe_file, out, on, workers, **environment))
        return started[-1]

    yield begin
    for command in started:
        command.end()
        command.process.communicate()
