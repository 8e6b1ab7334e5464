"""Which files come first: those that take longest, so that the two processes end together."""

from __future__ import annotations

import pytest

LONGEST = (
    "test_real_korean.py",
    "test_docs.py",
    "test_scripted.py",
    "test_student.py",
    "test_nodes.py",
    "test_resume.py",
    "test_quickstart.py",
    "test_run.py",
    "test_loss.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path.name, len(LONGEST)))
