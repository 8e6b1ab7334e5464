"""Which files come first: those that take longest, so that the two processes end together."""

from __future__ import annotations

import pytest

LONGEST = (
    "test_docs.py",
    "test_real_korean.py",
    "test_run.py",
    "test_resume.py",
    "test_options.py",
    "test_nodes.py",
    "test_bad_input.py",
    "test_loss.py",
    "test_decontaminate.py",
    "test_student.py",
    "test_quickstart.py",
    "test_scripted_exams.py",
    "test_scripted.py",
    "test_serve.py",
    "test_groups.py",
    "test_doctor.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path.name, len(LONGEST)))
