"""What a recipe declares about a teacher is checked when it is made."""

import math

import pytest

from yisang.errors import UsageError
from yisang.teachers.generation import Sampling, Teacher, Usage


@pytest.mark.parametrize(
    "changes",
    [{"temperature": -0.1}, {"temperature": math.inf}, {"temperature": math.nan}, {"top_p": 0}, {"top_p": 1.1},
     {"top_k": -2}, {"min_p": -0.1}, {"min_p": 2}, {"max_tokens": 0}],
)  # fmt: skip
def test_a_setting_out_of_range_is_refused(changes):
    (name,) = changes
    with pytest.raises(UsageError, match=f"Sampling: {name} is"):
        Sampling(**changes)


@pytest.mark.parametrize("changes", [{"temperature": 0}, {"top_p": 1}, {"top_k": -1}, {"min_p": 1}, {"max_tokens": 1}])
def test_the_ends_of_the_ranges_are_inside(changes):
    Sampling(**changes)


def test_the_seed_of_a_sample():
    assert [Sampling(seed=5).seed_of(n) for n in range(3)] == [5, 6, 7]
    assert Sampling().seed_of(2) == 2


@pytest.mark.parametrize("name", ["engine", "model", "revision"])
def test_a_teacher_without_a_name_is_refused(name):
    with pytest.raises(UsageError, match=f"Teacher: {name} is empty"):
        Teacher(**{"engine": "echo", "model": "m", "revision": "r", name: " "})


def test_engine_and_options_are_no_part_of_the_identity():
    first = Teacher(engine="openai", model="m", revision="r", options={"base_url": "http://a/v1"})
    assert first.identity() == Teacher(engine="transformers", model="m", revision="r").identity()
    assert first.identity() != Teacher(engine="openai", model="m", revision="r2").identity()
    assert first.identity() != Teacher(engine="openai", model="m2", revision="r").identity()


def test_only_reported_counts_go_on():
    assert Usage(completion_tokens=0).reported() == {"completion_tokens": 0}
