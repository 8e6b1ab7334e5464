"""The labelled samples that ship, and what the checks' defaults make of them."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import pytest

from bench.samples import lines
from yisang.errors import UsageError
from yisang.filters.samples import Sample, read_samples
from yisang.filters.tuning import CHECKS, Score, score

ROOT = Path(__file__).parents[2]
SAMPLES = read_samples()
TUNED = [sample for sample in SAMPLES if not sample.held]
HELD = [sample for sample in SAMPLES if sample.held]
LINE = '{"id":"a","language":"ko","question":"?","text":"답은 3이다.","why":"one"}\n'
# (precision, recall) of the defaults on the samples that bounds and patterns were chosen on, and on those held out.
LEAST = {
    "repetition": ((0.98, 0.96), (1.0, 1.0)),
    "trit by words": ((0.9, 0.77), (1.0, 0.6)),
    "trit by characters": ((0.81, 0.85), (0.8, 0.8)),
    "refusal": ((1.0, 0.97), (1.0, 0.38)),
    "identity": ((1.0, 0.97), (1.0, 0.8)),
    "unfinished": ((1.0, 0.92), (0.92, 0.86)),
    "pii": ((1.0, 0.96), (1.0, 1.0)),
    "answer_language": ((0.97, 1.0), (1.0, 0.6)),
    "think_share": ((1.0, 1.0), (None, None)),
}


def test_there_are_samples_of_every_label_in_every_language_and_more_that_only_look_alike():
    assert len(TUNED) >= 300
    assert len(HELD) >= 100
    assert {sample.language for sample in SAMPLES} == {"ko", "en", "ja"}
    for name, check in CHECKS.items():
        count = Counter(check.labelled(sample.labels) for sample in SAMPLES)
        assert min(count[True], count[False]) >= 20, name
    assert all(sample.why for sample in SAMPLES)
    assert len({sample.text for sample in SAMPLES}) > 0.98 * len(SAMPLES)


def test_the_made_ones_are_what_their_script_makes():
    assert files("yisang.filters.samples").joinpath("made.jsonl").read_bytes() == lines()


@pytest.mark.parametrize("name", CHECKS)
def test_the_defaults_agree_with_the_labels(name):
    for samples, (precision, recall) in zip((TUNED, HELD), LEAST[name], strict=True):
        found = score(name, samples)
        assert (found.precision is None) == (precision is None)
        assert found.precision is None or found.precision >= precision, found.false
        assert found.recall is None or found.recall >= recall, found.missed


@pytest.mark.parametrize("name", [name for name in CHECKS if CHECKS[name].bounds])
def test_the_defaults_are_among_the_bounds_that_are_tried(name):
    check = CHECKS[name]
    for bound, values in check.bounds.items():
        assert check.default(bound) in values


@pytest.mark.parametrize(
    ("name", "bounds"),
    [("repetition", {"covered": 30}), ("repetition", {"covered": 400}), ("repetition", {"compression": 0.0}), ("repetition", {"lines": 3}),
     ("repetition", {"back_to_back": 2}), ("repetition", {"passages": 24}), ("refusal", {"opening": 1000}), ("unfinished", {"tail": 10}),
     ("unfinished", {"tail": 10_000}), ("answer_language", {"low": 0.1}), ("answer_language", {"words": 0.2}), ("answer_language", {"words": 1.0}), ("think_share", {"low": 0.0}),
     ("think_share", {"high": 0.12})],
)  # fmt: skip
def test_a_worse_bound_is_seen(name, bounds):
    def errors(found: Score) -> int:
        return len(found.false) + len(found.missed)

    assert errors(score(name, TUNED, **bounds)) > errors(score(name, TUNED))


def test_a_check_that_never_fires_or_always_does_would_be_seen(monkeypatch):
    for word, least in (("none", (None, 0.0)), ("found", (1.0, 1.0))):

        def deaf(language: str, word: str = word):
            return lambda trace: type(trace)(
                id="x", prompt=trace.prompt, sample=0, text="", teacher="", revision="", verdicts={"pii": word}
            )

        monkeypatch.setitem(CHECKS, "pii", replace(CHECKS["pii"], make=deaf))
        found = score("pii", TUNED)
        assert found.precision != least[0] or found.precision is None
        assert found.recall == least[1]
        assert not (found.precision or 0) >= LEAST["pii"][0][0]


def test_a_sample_that_nobody_judged_does_not_count():
    sample = Sample(id="x", language="ko", question="?", text="I'm sorry, but I can't help.", why="test")
    assert score("answer_language", [sample]) == Score((), (), (), 0)
    assert score("refusal", [sample]).false == ("x",)
    assert score("refusal", [sample]).recall is None


def test_samples_of_ones_own_are_read_and_held_out_by_the_name_of_their_file(tmp_path: Path):
    (tmp_path / "mine.jsonl").write_text(LINE, "utf-8")
    (tmp_path / "held_mine.jsonl").write_text(LINE.replace('"a"', '"b"'), "utf-8")
    assert [(sample.id, sample.held) for sample in read_samples(tmp_path)] == [("b", True), ("a", False)]


@pytest.mark.parametrize(
    ("text", "words"),
    [("", "no labelled sample in"), ("{}\n", "mine.jsonl, line 1, is no labelled sample"), (LINE + LINE, "have the id 'a'"),
     (LINE.replace('"why"', '"way"'), "unknown field `way`"), (LINE.replace('"why"', '"labels":{"refusal":"maybe"},"why"'), "maybe")],
)  # fmt: skip
def test_a_wrong_line_is_named(text, words, tmp_path: Path):
    (tmp_path / "mine.jsonl").write_text(text, "utf-8")
    with pytest.raises(UsageError, match=words):
        read_samples(tmp_path)
    with pytest.raises(UsageError, match="There is no folder"):
        read_samples(tmp_path / "gone")


def test_the_sweep_prints_every_bound_with_the_default_marked(tmp_path: Path):
    (tmp_path / "mine.jsonl").write_text(LINE, "utf-8")
    command = [sys.executable, "-m", "bench.thresholds", "--errors", "--samples", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    for name, check in CHECKS.items():
        assert f"\n{name} " in done.stdout
        for bound in check.bounds:
            assert f"{bound} = {check.default(bound)} " in done.stdout
    assert done.stdout.count("*") == sum(max(1, len(check.bounds)) for check in CHECKS.values())
    wrong = subprocess.run(
        [*command[:-1], str(tmp_path / "gone")], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120
    )
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "There is no folder" in wrong.stderr
