"""Two evaluations are compared item by item, where they are of the same thing."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from yisang.errors import UsageError, YisangError
from yisang.evals.compare import compare
from yisang.evals.evaluate import evaluate
from yisang.evals.protocols import protocol
from yisang.evals.statistics import paired_interval
from yisang.teachers.engines.scripted import revision
from yisang.teachers.generation import Teacher

GREEDY = protocol("greedy")


def run(out: Path, at: str = "1", benches: Any = ("tasks:n=15,ops=3-4",), by: Any = GREEDY) -> str:
    evaluate(Teacher(engine="scripted", model="scripted", revision=at), benches, by, str(out))
    return str(out)


def verdicts(folder: str) -> dict[str, float]:
    text = Path(folder, "outputs-tasks.jsonl").read_text("utf-8")
    return {line["id"]: line["measures"]["accuracy"] for line in map(json.loads, text.splitlines())}


def test_the_difference_is_that_of_the_paired_items(tmp_path: Path):
    a = run(tmp_path / "a", revision({"wrong_value": 0.5}, seed=1))
    b = run(tmp_path / "b", revision({"wrong_value": 0.2}, seed=2))
    (found,) = compare(a, b).benches
    one, other = verdicts(a), verdicts(b)
    differences = [other[id_] - one[id_] for id_ in one]
    assert found.pairs == len(one) == 30
    assert found.a == pytest.approx(sum(one.values()) / 30)
    assert found.b == pytest.approx(sum(other.values()) / 30)
    assert found.difference == pytest.approx(sum(differences) / 30)
    assert (found.low, found.high) == pytest.approx(paired_interval(differences))
    assert (found.better, found.worse, found.equal) == tuple(differences.count(sign) for sign in (1.0, -1.0, 0.0))
    assert found.better > found.worse > 0
    assert (found.only_a, found.only_b, found.unscored) == (0, 0, 0)
    (back,) = compare(b, a).benches
    assert (back.difference, back.low, back.high) == pytest.approx((-found.difference, -found.high, -found.low))


def test_the_order_of_the_outputs_does_not_matter(tmp_path: Path):
    a, b = run(tmp_path / "a", revision({"wrong_value": 0.5})), run(tmp_path / "b")
    before = compare(a, b)
    path = Path(b, "outputs-tasks.jsonl")
    lines = path.read_text("utf-8").splitlines(keepends=True)
    random.Random(1).shuffle(lines)
    path.write_text("".join(lines), "utf-8")
    assert compare(a, b) == before


def test_a_run_is_equal_to_itself(tmp_path: Path):
    a = run(tmp_path / "a", revision({"wrong_value": 0.5}))
    (found,) = compare(a, a).benches
    assert (found.difference, found.equal) == (0.0, 30)
    assert found.low is not None
    assert found.high is not None
    assert found.low < 0 < found.high


def test_another_measure_can_be_compared(tmp_path: Path):
    a, b = run(tmp_path / "a", revision({"missing_step": 0.5})), run(tmp_path / "b")
    assert compare(a, b).benches[0].difference == 0
    assert (compare(a, b, measure="verified").benches[0].difference or 0) > 0.2
    with pytest.raises(UsageError, match="has no measure 'elegance'; it has accuracy, process_acc, verified"):
        compare(a, b, measure="elegance")


@pytest.mark.parametrize(
    ("benches", "by", "words"),
    [
        (["tasks:n=15,ops=3-4"], protocol("paper"), "protocol.temperature is 0.0 and 0.7"),
        (["tasks:n=15,ops=3-4"], protocol("greedy", {"box": "last"}), "protocol.box is 'first' and 'last'"),
        (["tasks:n=15,ops=3-4"], protocol("greedy", {"max_tokens": 9}), "protocol.max_tokens is 32768 and 9"),
        (["tasks:n=15,ops=3-4,mode=target_only"], GREEDY, "only A has the benchmark tasks:ops=3-4,n=15"),
        (["tasks:n=15,ops=3-4", "tasks:n=1"], GREEDY, "only B has the benchmark tasks:n=1"),
    ],
)
def test_runs_of_different_things_are_refused(benches: Any, by: Any, words: str, tmp_path: Path):
    a, b = run(tmp_path / "a"), run(tmp_path / "b", benches=benches, by=by)
    with pytest.raises(UsageError) as error:
        compare(a, b)
    assert words in str(error.value)


def rows(path: Path, gids: range, langs: str = "ko ja") -> str:
    table = [
        {"question": f"{lang} {gid}+1?", "answer": gid + 1, "lang": lang, "gid": gid}
        for gid in gids
        for lang in langs.split()
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in table), "utf-8")
    return str(path)


def test_items_on_one_side_are_told_and_items_of_one_problem_are_one_pair(tmp_path: Path):
    a, b = (
        run(tmp_path / name, benches=[f"mmath:lang=ko+ja,path={rows(tmp_path / f'{name}.jsonl', gids)}"])
        for name, gids in (("a", range(5)), ("b", range(2, 9)))
    )
    (found,) = compare(a, b).benches
    assert found.bench == "mmath:lang=ko+ja"
    assert (found.only_a, found.only_b) == (4, 8)
    assert found.pairs == 3
    assert found.equal == 3


def test_an_item_without_a_judged_answer_is_no_pair(tmp_path: Path):
    a, b = run(tmp_path / "a"), run(tmp_path / "b")
    path = Path(b, "outputs-tasks.jsonl")
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    for line in lines[:2]:
        line |= {"verdict": "infra_error", "measures": dict.fromkeys(line["measures"])}
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    (found,) = compare(a, b).benches
    assert (found.pairs, found.unscored, found.difference) == (28, 2, 0.0)


def test_folders_without_results_are_told(tmp_path: Path):
    with pytest.raises(UsageError, match="holds no finished evaluation"):
        compare(run(tmp_path / "a"), str(tmp_path))


def test_damaged_outputs_are_told_with_their_line(tmp_path: Path):
    a, b = run(tmp_path / "a"), run(tmp_path / "b")
    path = Path(b, "outputs-tasks.jsonl")
    lines = path.read_text("utf-8").splitlines(keepends=True)
    path.write_text("".join([*lines[:3], '{"id": "x"}\n']), "utf-8")
    with pytest.raises(YisangError, match="line 4 is damaged"):
        compare(a, b)
