"""Evaluations: what is asked, judged and stored; what is not asked again; what is left out; what is refused."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest

from evals.endpoint import Endpoint, endpoint
from yisang.errors import Interrupt, Stopped, UsageError
from yisang.evals.benchmarks import spec_of
from yisang.evals.config import load
from yisang.evals.evaluate import evaluate
from yisang.evals.protocols import protocol
from yisang.evals.rescore import rescore
from yisang.evals.results import Results, read_results
from yisang.storage import Folder
from yisang.teachers.engines.scripted import FAULTS, Scripted, revision
from yisang.teachers.generation import Generation, Teacher

GREEDY = protocol("greedy")
FAULTY = revision(dict.fromkeys(FAULTS, 0.1), seed=5)


def scripted(at: str = "1") -> Teacher:
    return Teacher(engine="scripted", model="scripted", revision=at)


def lines(out: Path, name: str = "outputs-tasks.jsonl") -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / name).read_text("utf-8").splitlines()]


def measures(results: Results, number: int = 0) -> dict[str, float | None]:
    return {name: found.mean for name, found in results.benches[number].overall.measures.items()}


# The scripted teacher, which is right


@pytest.mark.parametrize(
    "bench",
    [
        *(f"tasks:lang={lang},mode={mode},n=4,direction=both" for lang in ("ko", "ja") for mode in ("mixed", "target_only", "english_only")),
        *(f"tasks:lang=en,mode={mode},n=4" for mode in ("target_only", "english_only")),
        "tasks:lang=ko,ops=1-4,n=4,preset=narrow,context=zoo",
        "tasks:preset=addition,ops=1-5,n=4",
    ],
)  # fmt: skip
def test_true_solutions_are_all_verified(bench: str, tmp_path: Path):
    results = evaluate(scripted(), [bench], GREEDY, str(tmp_path / "out"))
    assert measures(results) == {"accuracy": 1.0, "process_acc": 1.0, "verified": 1.0}
    (found,) = results.benches
    assert all(cell.score.mean == 1 and cell.items == 4 for cell in found.cells.values())
    assert found.overall.items == 4 * len(found.cells)
    assert found.macro == 1.0


@pytest.mark.parametrize("lang", ["ko", "ja", "en"])
def test_true_translations_are_the_same_graph(lang: str, tmp_path: Path):
    results = evaluate(
        scripted(), [f"tasks:kind=translate,lang={lang},n=4,direction=both"], GREEDY, str(tmp_path / "out")
    )
    assert measures(results) == {"accuracy": 1.0}


@pytest.mark.parametrize("lang", ["ko", "ja"])
def test_true_crosslingual_answers_are_right_and_in_the_language(lang: str, tmp_path: Path):
    results = evaluate(scripted(), [f"tasks:kind=crosslingual,lang={lang},n=4"], GREEDY, str(tmp_path / "out"))
    assert set(measures(results).values()) == {1.0}
    assert results.benches[0].primary == "lc_acc"


# Its faults, which are labelled


def fault_labels(bench: str, by: Any, at: str) -> dict[tuple[str, int], str]:
    engine = Scripted(revision=at)
    return {
        (item.id, number): engine.fault_of(item.messages, by.sampling(), number)
        for item in spec_of(bench).items()
        for number in range(by.answers)
    }


EXPECTED: dict[str, tuple[str, bool, bool]] = {
    # fault: (verdict, process without a flaw, cut off)
    "": ("correct", True, False),
    "truncated": ("unparsed", False, True),
    "looping": ("unparsed", False, True),
    "wrong_value": ("wrong", False, False),
    "missing_step": ("correct", False, False),
    "wrong_language": ("correct", True, False),
    "share": ("correct", True, False),
    "two_thinks": ("correct", True, False),
}


@pytest.mark.parametrize("bench", ["tasks:ops=3-5,n=20,mode=mixed", "tasks:kind=crosslingual,ops=3-5,n=20"])
def test_the_shares_fall_exactly_as_the_faults_are_labelled(bench: str, tmp_path: Path):
    by = protocol("paper", {"runs": 2})
    results = evaluate(scripted(FAULTY), [bench], by, str(tmp_path / "out"))
    labels = fault_labels(bench, by, FAULTY)
    assert set(labels.values()) == {"", *FAULTS}
    for line in lines(tmp_path / "out"):
        label = labels[line["id"], line["run"]]
        verdict, flawless, cut = EXPECTED[label]
        assert (line["verdict"], line["finish_reason"] == "length") == (verdict, cut), (label, line)
        if not cut:  # how much was said before the cut is another matter
            assert (line["measures"]["process_acc"] == 1.0) is flawless, (label, line)
        assert line["measures"]["verified"] == float(verdict == "correct" and flawless)
        if "lc_acc" in line["measures"]:
            in_language = label != "wrong_language"
            assert line["measures"]["lc_acc"] == float(verdict == "correct" and in_language), (label, line)
    counts, total = Counter(labels.values()), len(labels)
    found = results.benches[0].overall
    assert found.answers == total == 120
    assert found.truncated == found.unparsed == pytest.approx((counts["truncated"] + counts["looping"]) / total)
    wrong = counts["truncated"] + counts["looping"] + counts["wrong_value"]
    assert found.measures["accuracy"].mean == pytest.approx(1 - wrong / total)
    assert found.measures["verified"].mean == pytest.approx(1 - (wrong + counts["missing_step"]) / total)


def test_a_judge_that_looks_at_answers_alone_would_be_seen(tmp_path: Path):
    """The wrong twin: `verified` as the accuracy."""
    results = evaluate(scripted(revision({"missing_step": 0.5})), ["tasks:n=10"], GREEDY, str(tmp_path / "out"))
    found = measures(results)
    assert found["accuracy"] == 1.0
    assert found["verified"] is not None
    assert found["process_acc"] is not None
    assert 0.2 < found["verified"] < 0.8
    assert found["verified"] < found["process_acc"] < 1.0


def test_a_translation_is_judged_by_its_graph(tmp_path: Path):
    out = tmp_path / "out"
    evaluate(scripted(), ["tasks:kind=translate,context=zoo,n=2,ops=2-3"], GREEDY, str(out))
    one, *_, other = lines(out)
    changed = [
        {**one, "response": other["response"]},
        {**one, "sample": 1, "response": one["gold"]},
        {**one, "sample": 2, "response": f"<TRANSLATION>{one['question']}</TRANSLATION>"},
        {**one, "sample": 3, "response": f"<think>{one['response']}"},
        {**one, "sample": 4, "response": f"{other['response']}{one['response']}"},
        {**one, "sample": 5, "response": re.sub(r"\d+", lambda n: str(int(n[0]) + 1), one["response"], count=1)},
    ]
    path = tmp_path / "changed.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in changed))
    by_first, by_last = (
        [line["reason"].partition(":")[0] for line in rescore(str(path), name).lines] for name in ("paper", "last-box")
    )
    assert by_first == ["other_graph", "no_translation", "no_task", "still_thinking", "other_graph", "other_graph"]
    assert by_last == [*by_first[:4], "same_graph", "other_graph"]


# What is stored


@pytest.mark.parametrize(
    ("bench", "name"),
    [
        ("tasks:ops=3-4,n=12", "paper"),
        ("tasks:kind=translate,n=8", "last-box"),
        ("tasks:kind=crosslingual,lang=ja,n=8", "mmath"),
    ],
)
def test_outputs_scored_again_give_the_same_score(bench: str, name: str, tmp_path: Path):
    results = evaluate(scripted(FAULTY), [bench], name, str(tmp_path / "out"))
    (found,) = results.benches
    again = rescore(str(tmp_path / "out" / found.outputs), name, primary=found.primary)
    assert msgspec.to_builtins(again.overall) == msgspec.to_builtins(found.overall)
    assert msgspec.to_builtins(again.cells) == msgspec.to_builtins(found.cells)
    assert 0 < (found.overall.score.mean or 0) < (1 if "translate" not in bench else 2)


def test_outputs_keep_what_was_asked_and_said(tmp_path: Path):
    evaluate(scripted(FAULTY), ["tasks:n=2,ops=3"], protocol("paper", {"samples": 2}), str(tmp_path / "out"))
    found = lines(tmp_path / "out")
    (one, *_) = spec_of("tasks:n=2,ops=3").items()
    assert [(line["run"], line["sample"]) for line in found] == [
        (run, sample) for run in range(3) for sample in range(2)
    ] * 2
    assert {key: found[0][key] for key in ("id", "question", "gold", "lang", "kind", "graph", "cell")} == {
        "id": one.id, "question": one.question, "gold": one.gold, "lang": "ko", "kind": "task", "graph": one.graph, "cell": "3",
    }  # fmt: skip
    assert found[0]["usage"]["completion_tokens"] > 0
    assert len({line["response"] for line in found}) > 2


def test_the_resolved_configuration_stands_beside_the_results_and_can_be_given_again(tmp_path: Path):
    out = tmp_path / "out"
    benches = ["tasks:n=2,ops=2-3,mode=target_only", {"name": "tasks", "kind": "translate", "n": 2}]
    results = evaluate(scripted(FAULTY), benches, protocol("mmath", {"max_tokens": 500}), str(out))
    config = load(str(out / "config.toml"))
    assert config.resolved_protocol() == results.protocol
    assert config.specs() == [spec_of(bench) for bench in benches]
    assert (config.model, config.engine, config.revision, config.purpose) == ("scripted", "scripted", FAULTY, "final")
    assert results.versions["yisang"]
    assert [bench.outputs for bench in results.benches] == ["outputs-tasks.jsonl", "outputs-tasks-2.jsonl"]
    assert results.average == pytest.approx(sum(bench.overall.score.mean or 0 for bench in results.benches) / 2)


def test_pass_at_k_is_told_where_samples_are_asked(tmp_path: Path):
    by = protocol("greedy", {"temperature": 1.0, "samples": 8})
    results = evaluate(scripted(revision({"wrong_value": 0.6})), ["tasks:n=10,ops=3"], by, str(tmp_path / "out"))
    found = results.benches[0].overall.pass_at_k
    assert list(found) == ["1", "2", "4", "8"]
    means = [measure.mean or 0 for measure in found.values()]
    assert means == sorted(means)
    assert means[0] == pytest.approx(results.benches[0].overall.score.mean)
    assert 0.2 < means[0] < 0.7 < means[-1]


# Nothing is asked twice


class Counting(Scripted):
    """The scripted teacher, which counts what reaches it, and may be interrupted."""

    def __init__(self, at: str = "1", stop_after: int | None = None):
        super().__init__(revision=at)
        self.seen: list[str] = []
        self.stop_after = stop_after

    async def generate(self, messages: Any, sampling: Any, sample: int) -> Generation:
        if len(self.seen) == self.stop_after:
            raise Stopped("stopped by the test")
        self.seen.append(f"{sample} {messages[-1].content}")
        return await super().generate(messages, sampling, sample)


def test_a_stopped_evaluation_goes_on_and_asks_nothing_again(tmp_path: Path):
    out, bench = tmp_path / "out", "tasks:n=5,ops=2-4"
    first = Counting(FAULTY, stop_after=17)
    with pytest.raises(Stopped):
        evaluate(first, [bench], "paper", str(out), concurrency=1)
    assert not (out / "results.json").exists()
    assert not list(out.glob("outputs*"))
    second = Counting(FAULTY)
    results = evaluate(second, [bench], "paper", str(out), concurrency=1)
    assert (results.counts.asked, results.counts.reused) == (45 - 17, 17)
    assert not set(first.seen) & set(second.seen)
    assert len(set(first.seen) | set(second.seen)) == 45
    whole = evaluate(scripted(FAULTY), [bench], "paper", str(tmp_path / "whole"))
    assert (out / "outputs-tasks.jsonl").read_bytes() == (tmp_path / "whole" / "outputs-tasks.jsonl").read_bytes()
    assert results.benches == whole.benches


def test_a_finished_evaluation_is_not_asked_again(tmp_path: Path):
    out = tmp_path / "out"
    results = evaluate(Counting(), ["tasks:n=2"], "greedy", str(out))
    engine = Counting()
    said: list[str] = []
    assert (
        evaluate(engine, ["tasks:n=2"], "greedy", str(out), say=said.append)
        == results
        == read_results(Folder(str(out)))
    )
    assert "is finished" in said[0]
    # Nothing failed, so there is nothing to try again.
    assert evaluate(engine, ["tasks:n=2"], "greedy", str(out), retry=True) == results
    assert engine.seen == []
    assert results.average is None, "one benchmark has no average"


def test_more_samples_ask_only_for_what_is_new(tmp_path: Path):
    answers = str(tmp_path / "answers")
    evaluate(Counting(), ["tasks:n=3,ops=2"], "greedy", str(tmp_path / "one"), answers=answers)
    engine = Counting()
    by = protocol("greedy", {"samples": 4})
    evaluate(engine, ["tasks:n=3,ops=2"], by, str(tmp_path / "four"), answers=answers)
    assert len(engine.seen) == 9
    engine = Counting()
    evaluate(engine, ["tasks:n=3,ops=2"], protocol("last-box", {"temperature": 0.0, "top_p": 1.0, "runs": 4}), str(tmp_path / "box"), answers=answers)  # fmt: skip
    assert engine.seen == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"by": "last-box"}, 'protocol.name was "paper" and is "last-box"'),
        ({"benches": ["tasks:n=3"]}, "benches.tasks:n=3 was absent"),
        ({"model": scripted(FAULTY)}, 'revision was "1" and is'),
        ({"purpose": "training"}, 'purpose was "final" and is "training"'),
    ],
)
def test_another_evaluation_in_the_same_folder_is_refused(changes: dict[str, Any], words: str, tmp_path: Path):
    given: dict[str, Any] = {"model": scripted(), "benches": ["tasks:n=2"], "by": "paper", "out": str(tmp_path / "out")}
    before = evaluate(**given)
    with pytest.raises(UsageError) as error:
        evaluate(**{**given, **changes})
    assert words in str(error.value)
    assert evaluate(**given) == before


def test_a_folder_with_other_files_is_refused(tmp_path: Path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(UsageError, match=r"other files \(thesis.tex\)"):
        evaluate(scripted(), ["tasks"], "paper", str(tmp_path))


def test_other_data_at_the_same_path_are_another_evaluation(tmp_path: Path):
    data = tmp_path / "ko.jsonl"
    data.write_text('{"question": "1+1?", "answer_number": 2}\n')
    given: dict[str, Any] = {
        "model": scripted(),
        "benches": [f"mgsm:lang=ko,path={data}"],
        "by": "paper",
        "out": str(tmp_path / "out"),
    }
    evaluate(**given)
    data.write_text('{"question": "1+2?", "answer_number": 3}\n')
    with pytest.raises(UsageError, match=r"benches\.mgsm:lang=ko\.data was"):
        evaluate(**given)


@pytest.mark.parametrize(
    ("benches", "out", "words"),
    [([], "out", "Nothing is asked"), (["tasks"], "", "--out DIR"), (["tasks", "tasks"], "out", "asked for twice")],
)
def test_what_cannot_be_done_is_told_before_anything_is_written(
    benches: list[str], out: str, words: str, tmp_path: Path
):
    with pytest.raises(UsageError, match=words):
        evaluate(scripted(), benches, "paper", str(tmp_path / out) if out else "")
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_passes_and_leaves_nothing_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def interrupt(line: str) -> None:
        raise Interrupt(Stopped("Stopped by SIGINT."))

    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr("yisang.evals.evaluate.QUIET_SECONDS", 0.0)  # the first answer has its line of progress
        with pytest.raises(Interrupt):
            evaluate(Counting(), ["tasks:n=3"], "greedy", str(out), say=interrupt)
    assert not list(out.glob("outputs*"))
    assert not list(out.glob(".writing*"))
    assert evaluate(Counting(), ["tasks:n=3"], "greedy", str(out)).counts.reused >= 1


# Infra errors


def remote(server: Endpoint) -> Teacher:
    return Teacher(engine="openai", model="m", revision="r1", options={"base_url": server.url, "attempts": 1})


def test_failed_requests_are_left_out_of_the_mean_told_and_asked_again_with_retry(tmp_path: Path):
    out, bench = tmp_path / "out", "tasks:n=10,ops=2-3"
    refused = {item.question for item in spec_of(bench).items()[:4]}
    with endpoint() as server:
        server.refuse = lambda body: body["messages"][-1]["content"] in refused and body["seed"] == 0
        results = evaluate(remote(server), [bench], protocol("paper", {"runs": 2}), str(out))
        found = results.benches[0].overall
        asked = lines(out)
        kept = [line for line in asked if line["verdict"] != "infra_error"]
        assert (len(asked), len(kept)) == (40, 36)
        assert (found.left_out, found.infra_error, found.score.answers, found.score.items) == (4, 0.1, 36, 20)
        right: dict[str, list[bool]] = {}
        for line in kept:
            right.setdefault(line["id"], []).append(line["verdict"] == "correct")
        by_hand = sum(sum(values) / len(values) for values in right.values()) / len(right)
        assert found.score.mean == pytest.approx(by_hand)
        as_wrong = sum(line["verdict"] == "correct" for line in asked) / len(asked)
        assert found.score.mean != pytest.approx(as_wrong), "the wrong twin would count failures as wrong"
        for line in asked:
            if line["verdict"] == "infra_error":
                assert line["response"] is None
                assert line["error"].startswith("TeacherRejected")
                assert set(line["measures"].values()) == {None}
        again = rescore(str(out / "outputs-tasks.jsonl"))
        assert msgspec.to_builtins(again.overall) == msgspec.to_builtins(found)
        # Finished is finished, until it is said otherwise.
        before = len(server.asked)
        server.refuse = lambda body: False
        said: list[str] = []
        assert evaluate(remote(server), [bench], protocol("paper", {"runs": 2}), str(out), say=said.append) == results
        assert "4 answers failed, which --retry asks again" in said[0]
        assert len(server.asked) == before
        mended = evaluate(remote(server), [bench], protocol("paper", {"runs": 2}), str(out), retry=True)
        assert len(server.asked) == before + 4
        assert (mended.benches[0].overall.left_out, mended.counts.reused) == (0, 36)
        assert read_results(Folder(str(out))) == mended


def test_a_score_over_failures_alone_is_none(tmp_path: Path):
    with endpoint() as server:
        server.refuse = lambda body: True
        results = evaluate(remote(server), ["tasks:n=2,ops=2"], "paper", str(tmp_path / "out"))
    found = results.benches[0]
    assert (found.overall.score.mean, found.macro, results.average) == (None, None, None)
    assert found.overall.infra_error == 1.0


def test_nothing_is_stored_where_no_engine_can_be_opened(tmp_path: Path):
    with pytest.raises(UsageError, match="needs base_url"):
        evaluate(Teacher(engine="openai", model="m", revision="r1"), ["tasks:n=1"], "paper", str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()
