"""`yisang publish --for rl`: questions with a gold that its own grader accepts; what is left out is listed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet as pq
import pytest
from recipes_for_tests.helpers import Given, loaded, prompt, recipe

from yisang.cli import main
from yisang.errors import UsageError, YisangError
from yisang.filters.best_of import BestOf, PassRate, prompt_of
from yisang.filters.cot import Structure
from yisang.filters.grade import Grade
from yisang.filters.keep import Keep
from yisang.grading import grade
from yisang.pipelines import publish_order, publish_rl
from yisang.pipelines.boundary import Boundary
from yisang.pipelines.curate import Corpus, ToExample
from yisang.pipelines.phases import Setting
from yisang.pipelines.publish import publish
from yisang.pipelines.recipe import Recipe
from yisang.pipelines.rl_questions import SCHEMA, Question, read_questions
from yisang.pipelines.run import open_run, run_recipe
from yisang.pipelines.stages.teach import Teach
from yisang.pipelines.steps import Each, Group
from yisang.records import Licence, Prompt, Record, Trace, child_id, with_measures
from yisang.sources.tasks import Tasks
from yisang.teachers.engines.scripted import revision
from yisang.teachers.generation import Sampling, Teacher
from yisang.teachers.prompts import MixedPrompt

CLOSED = Licence(id="CC-BY-NC-4.0", letter="B", evidence="written for the tests")
SAMPLES = 4


def run_of(out: Path, items: tuple[Any, ...], *steps: Any) -> str:
    run_recipe(loaded(recipe(Given(items), *steps)), Setting(out=str(out)))
    return str(out)


def traced(asked: Prompt, sample: int = 0, **measures: Any) -> Trace:
    """An answer to it, with the measures that a recipe took."""
    return Trace(
        id=child_id(asked.id, sample), prompt=asked, sample=sample, text="<think>…</think>7", teacher="t", revision="1",
        licence=asked.licence, category=asked.category, measures=measures,
    )  # fmt: skip


def rows_in(folder: Path) -> list[dict[str, Any]]:
    return [row for path in sorted((folder / "questions").iterdir()) for row in pq.read_table(path).to_pylist()]


def left_out(folder: Path) -> dict[str, dict[str, Any]]:
    return {row["id"]: row for row in map(json.loads, (folder / "left_out.jsonl").read_text().splitlines())}


MANY = (
    prompt(
        "math", text="7 + 5 = ?", kind="math", gold="12", category="science", url="https://example.org/1", source="web"
    ),
    prompt("korean", text="7 더하기 5는?", kind="math", gold="12", language="ko", parents=("math",), attribution="김"),
    prompt("choice", text="어느 것? ① 가 ② 나", kind="mcq", gold="②", options=("가", "나"), language="ko"),
    prompt("open", text="왜 하늘은 파란가요?", kind="open", language="ko"),
    prompt("open_gold", text="수도는?", kind="open", gold="서울", language="ko"),
    prompt("no_gold", text="7 + 6 = ?", kind="math"),
    prompt("bad_gold", text="어느 것? ① 가 ② 나 (다시)", kind="mcq", gold="⑤", options=("가", "나"), language="ko"),
    prompt("again", text="7  +  5 = ?", kind="math", gold="12"),
    prompt("double_a", text="두 번 물은 것", kind="math", gold="1", language="ko"),
    prompt("double_b", text="두 번 물은 것", kind="math", gold="2", language="ko"),
    prompt("untested", text="write a program", kind="code", gold="print(1)"),
)
WANTED = {
    "open": ("gold_unjudged", "open_question"),
    "open_gold": ("gold_unjudged", "open_question"),
    "no_gold": ("gold_unjudged", "no_gold"),
    "bad_gold": ("gold_unjudged", "gold_unreadable"),
    "math": ("same_question", ""),
    "double_a": ("golds_differ", ""),
    "double_b": ("golds_differ", ""),
    "untested": ("gold_unjudged", "no_tests"),
}


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> str:
    return run_of(tmp_path_factory.mktemp("many") / "run", MANY)


@pytest.fixture(scope="module")
def published(many: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("published") / "out"
    publish(many, purpose="rl", to=str(out))
    return out


def test_a_question_is_a_row_or_is_listed_with_the_reason(published: Path) -> None:
    rows, listed = rows_in(published), left_out(published)
    assert [row["id"] for row in rows] == ["again", "choice", "korean"]
    assert {id_: (row["reason"], row.get("detail", "")) for id_, row in listed.items()} == WANTED
    assert len(rows) + len(listed) == len(MANY)
    assert listed["math"]["other"] == "again"
    assert "수도" not in (published / "left_out.jsonl").read_text("utf-8")


def test_a_publication_that_trusts_every_gold_would_be_seen(
    many: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Trusting:
        verdict, code = "correct", ""

    monkeypatch.setattr(publish_rl, "check_gold", lambda *_: Trusting)
    publish(many, purpose="rl", to=str(tmp_path / "out"))
    with pytest.raises(AssertionError):
        test_a_question_is_a_row_or_is_listed_with_the_reason(tmp_path / "out")


def test_a_row_holds_what_a_trainer_and_a_grader_need(published: Path) -> None:
    korean = {row["id"]: row for row in rows_in(published)}["korean"]
    assert list(korean) == SCHEMA.names
    assert korean == {
        "id": "korean", "messages": [{"role": "user", "content": "7 더하기 5는?"}], "question": "7 더하기 5는?",
        "language": "ko", "kind": "math", "gold": "12", "options": [], "graph": None, "tests": None,
        "pass_rate": None, "judged": None, "category": "", "licence": "CC0-1.0", "licence_letter": "A",
        "licence_evidence": "written for the tests", "licence_date": "", "derive": True, "share_alike": False,
        "source": "", "url": "", "attribution": "김", "parents": ["math"], "split": "", "changes": [],
    }  # fmt: skip


def test_what_was_written_is_read_again_and_graded_as_its_gold_was(published: Path) -> None:
    questions = {question.id: question for question in read_questions(str(published))}
    assert set(questions) == {"again", "choice", "korean"}
    by_id = {item.id: item for item in MANY}
    for identifier, question in questions.items():
        asked = by_id[identifier]
        assert msgspec.structs.replace(question.prompt(), measures={}) == asked
        assert grade(question.prompt(), f"\\boxed{{{question.gold}}}").verdict == "correct"
        assert grade(question.prompt(), "\\boxed{99}").verdict != "correct"


def test_the_schema_says_every_field_of_a_question() -> None:
    fields = [field.name for field in msgspec.structs.fields(Question)]
    assert SCHEMA.names == fields
    told = Question.__doc__ or ""
    assert [name for name in fields if name not in told and not name.startswith(("licence", "derive", "share"))] == [
        "language",
        "kind",
        "category",
        "source",
        "url",
        "attribution",
    ]  # fmt: skip  what a Prompt has under the same name


# Difficulty


def test_the_pass_rate_is_what_was_measured_and_nothing_where_nothing_was(tmp_path: Path) -> None:
    easy, hard, never, unread = (prompt(name, text=f"{name} 1 + 1", kind="math", gold="2") for name in "ehnu")
    items = (
        *(traced(easy, sample, pass_rate=0.75, judged=4) for sample in range(3)),
        traced(hard, pass_rate=0.25, judged=4),
        traced(never),
        traced(unread, pass_rate=None, judged=0),
    )
    publish(run_of(tmp_path / "run", items), purpose="rl", to=str(tmp_path / "out"))
    found = {row["id"]: (row["pass_rate"], row["judged"]) for row in rows_in(tmp_path / "out")}
    assert found == {"e": (0.75, 4), "h": (0.25, 4), "n": (None, None), "u": (None, 0)}
    card = (tmp_path / "out" / "README.md").read_text()
    assert "| not measured | 2 |" in card
    assert "| 0.75 to 1 | 1 |" in card
    assert "| 0.25 to 0.5 | 1 |" in card


@pytest.mark.parametrize(
    ("measures", "says"),
    [
        ({"pass_rate": 1.5, "judged": 2}, "within 0 and 1"),
        ({"pass_rate": 0.5}, "judged = None"),
        ({"pass_rate": 0.5, "judged": 0}, "of 1 or more"),
        ({"pass_rate": "high", "judged": 2}, "is no number"),
        ({"pass_rate": True, "judged": 2}, "is no number"),
    ],
)
def test_a_measure_of_that_name_that_is_no_pass_rate_is_refused(
    tmp_path: Path, measures: dict[str, Any], says: str
) -> None:
    run = run_of(tmp_path / "run", (traced(prompt("p", kind="math", gold="1"), **measures),))
    with pytest.raises(YisangError, match=says):
        publish(run, purpose="rl", to=str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_rows_of_one_id_that_do_not_agree_are_left_out(tmp_path: Path) -> None:
    asked = prompt("p", text="1 + 1", kind="math", gold="2")
    fine = prompt("q", text="1 + 2", kind="math", gold="3")
    items = (traced(asked, 0, pass_rate=0.5, judged=2), traced(asked, 1, pass_rate=1.0, judged=2), traced(fine))
    publish(run_of(tmp_path / "run", items), purpose="rl", to=str(tmp_path / "out"))
    assert {id_: row["reason"] for id_, row in left_out(tmp_path / "out").items()} == {"p": "rows_differ"}
    assert [row["id"] for row in rows_in(tmp_path / "out")] == ["q"]


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Worded tasks in two languages, four answers each, of which some are wrong; the best right one is kept."""
    faults = {"wrong_value": 0.4}
    sources = tuple(Tasks(30, 5, language, ops=(2, 3), preset="narrow", name=language) for language in ("ko", "en"))
    steps = (
        Teach(
            Teacher(engine="scripted", model="scripted", revision=revision(faults, seed=3)),
            MixedPrompt("ko", "mixed"),
            Sampling(max_tokens=1024),
            samples=SAMPLES,
            name="teach",
        ),
        Each(Structure()),
        Each(Grade("ko")),
        Group(prompt_of, PassRate("grade"), name="pass_rate"),
        Each(Keep(verdicts={"grade": ("correct",)}), name="right"),
        Group(prompt_of, BestOf(by=("-completion_tokens",)), name="best"),
        Each(ToExample()),
    )
    folder = tmp_path_factory.mktemp("taught")
    what = Recipe("taught", "1", sources, (*steps[:1], Each(tokens), *steps[1:]), Corpus("Taught", "ko"))
    run_recipe(loaded(what), Setting(out=str(folder / "run")))
    return str(folder / "run")


def tokens(trace: Trace) -> Record:
    return with_measures(trace, {"completion_tokens": trace.usage["completion_tokens"]})


def verdicts(run: str) -> dict[str, list[str]]:
    """The grades of all answers to each prompt, from what the run stored and dropped."""
    out, manifest = open_run(run)
    found: dict[str, list[str]] = {}
    group = next(name for name in manifest.phases if name.split("-", 1)[1].startswith("pass_rate-"))
    for record in Boundary(out, group).all_records():
        assert isinstance(record, Trace)
        found.setdefault(record.prompt.id, []).append(record.verdicts["grade"])
    return found


def test_pass_rates_of_a_taught_run_are_those_counted_by_hand(taught: str, tmp_path: Path) -> None:
    publish(taught, purpose="rl", to=str(tmp_path / "out"))
    counted = {
        identifier: words.count("correct") / (words.count("correct") + words.count("wrong"))
        for identifier, words in verdicts(taught).items()
        if "correct" in words
    }
    assert len(set(counted.values())) > 2
    rows = list(read_questions(str(tmp_path / "out")))
    assert {row.id: row.pass_rate for row in rows} == counted
    assert all(row.judged == SAMPLES for row in rows)
    assert {row.language for row in rows} == {"ko", "en"}
    assert all(row.kind == "task" and row.graph is not None and row.question == row.messages[0].content for row in rows)


# load_dataset, shards, bytes


LOAD = """
import json, sys
from datasets import load_dataset
rows = load_dataset(sys.argv[1], "questions", split="train")
print(json.dumps({"rows": rows.to_list(), "default": load_dataset(sys.argv[1], split="train").column_names}))
"""


def test_load_dataset_reads_the_questions(published: Path, tmp_path: Path) -> None:
    cache = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "hf"), "HF_DATASETS_CACHE": str(tmp_path / "cache")}
    command = [sys.executable, "-c", LOAD, str(published)]
    done = subprocess.run(command, env=os.environ | cache, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert found["rows"] == rows_in(published)
    assert found["default"] == SCHEMA.names


def test_how_the_rows_are_cut_and_how_often_it_is_done_does_not_show(
    taught: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "again"):
        publish(taught, purpose="rl", to=str(tmp_path / name))
    files = [path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*") if path.is_file()]
    assert all((tmp_path / "one" / file).read_bytes() == (tmp_path / "again" / file).read_bytes() for file in files)
    monkeypatch.setattr(publish_order, "SHARD_ROWS", 7)
    monkeypatch.setattr(publish_order, "OPEN_SHARDS", 2)
    monkeypatch.setattr(publish_rl, "GROUP_ROWS", 3)
    publish(taught, purpose="rl", to=str(tmp_path / "many"))
    assert len(list((tmp_path / "many" / "questions").iterdir())) > 3
    assert rows_in(tmp_path / "many") == rows_in(tmp_path / "one")


def test_the_card_counts_what_the_files_hold(published: Path) -> None:
    from huggingface_hub import DatasetCard

    card = DatasetCard.load(published / "README.md")
    (config,) = card.data.to_dict()["configs"]
    assert config["config_name"] == "questions"
    assert list(published.glob(config["data_files"][0]["path"]))
    for (reason, detail), count in Counter(WANTED.values()).items():
        assert f"| {reason} | {detail} | {count} |" in card.text
    assert "8 questions of the run are no rows" in card.text
    assert "| mcq | 1 |" in card.text
    assert "1 row must name an author" in card.text
    manifest = json.loads((published / "manifest.json").read_text())
    assert (manifest["purpose"], manifest["rows"]) == ("rl", 3)
    assert {file["path"]: file["rows"] for file in manifest["files"]}["left_out.jsonl"] == 8


# What may not be published


def test_b_questions_need_private_and_c_questions_never_go(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = (
        prompt("a", text="1 + 1", kind="math", gold="2"),
        prompt("b", text="1 + 2", kind="math", gold="3", licence=CLOSED),
    )
    run = run_of(tmp_path / "run", asked)
    for arguments, code in (([], 1), (["--private"], 0)):
        assert main(["publish", run, "--for", "rl", "--to", str(tmp_path / "out"), *arguments]) == code
    assert "1 of 2 rows have a question with licence letter B" in capsys.readouterr().err
    assert "Private: not for redistribution" in (tmp_path / "out" / "README.md").read_text()
    closed = (prompt("c", kind="math", gold="1", licence=msgspec.structs.replace(CLOSED, letter="C")),)
    with pytest.raises(YisangError, match="letter C"):
        publish(run_of(tmp_path / "never", closed), purpose="rl", to=str(tmp_path / "no"), private=True)
    assert not (tmp_path / "no").exists()


def test_a_run_without_a_provable_gold_is_refused_and_says_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = run_of(tmp_path / "run", (prompt("p", text="왜?"), prompt("q", text="어째서?")))
    assert main(["publish", run, "--for", "rl", "--to", str(tmp_path / "out")]) == 1
    out, err = capsys.readouterr()
    assert "Left out, gold_unjudged (open_question): 2" in out
    assert "the gold of no question passes its own grader" in err
    assert not (tmp_path / "out").exists()
    empty = run_of(tmp_path / "empty", ())
    with pytest.raises(YisangError, match="kept no rows"):
        publish(empty, purpose="rl", to=str(tmp_path / "out"))


def test_an_unknown_purpose_is_refused(many: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["publish", many, "--for", "dpo", "--to", str(tmp_path / "out")]) == 2
    assert "--for is 'dpo'; it must be one of sft, rl." in capsys.readouterr().err


def test_one_purpose_does_not_replace_the_other(taught: str, tmp_path: Path) -> None:
    for first, second in (("sft", "rl"), ("rl", "sft")):
        out = tmp_path / first
        publish(taught, purpose=first, to=str(out))
        before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
        with pytest.raises(UsageError, match="holds a publication of recipe taught"):
            publish(taught, purpose=second, to=str(out))
        assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
        publish(taught, purpose=first, to=str(out))


def test_what_is_no_such_publication_cannot_be_read_as_one(taught: str, published: Path, tmp_path: Path) -> None:
    publish(taught, to=str(tmp_path / "sft"))
    for folder, says in ((tmp_path, "holds no publication"), (tmp_path / "sft", "was published for sft")):
        with pytest.raises(UsageError, match=says):
            next(read_questions(str(folder)))
    broken = tmp_path / "broken"
    shutil.copytree(published, broken)
    path = next((broken / "questions").iterdir())
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(YisangError, match="cannot be read"):
        list(read_questions(str(broken)))
    path.unlink()
    with pytest.raises(YisangError, match="cannot be read"):
        list(read_questions(str(broken)))


def test_code_is_proved_by_its_tests(tmp_path: Path) -> None:
    if shutil.which("bwrap") is None:
        pytest.skip("bubblewrap is not installed (apt-get install bubblewrap)")
    good, bad = "print(int(input()) + 1)", "print(int(input()) + 2)"
    tests = json.dumps([{"input": "1\n", "output": "2\n"}])
    items = tuple(
        prompt(name, text=f"{name}: add one", kind="code", gold=gold, tests=tests)
        for name, gold in (("good", good), ("bad", bad), ("none", None))
    )
    publish(run_of(tmp_path / "run", items), purpose="rl", to=str(tmp_path / "out"))
    assert [row["id"] for row in rows_in(tmp_path / "out")] == ["good"]
    assert {id_: row["reason"] for id_, row in left_out(tmp_path / "out").items()} == {
        "bad": "gold_wrong",
        "none": "gold_unparsed",
    }


def test_a_grader_that_fails_is_no_reason_to_leave_out_a_question(
    many: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken:
        verdict, reason, code = "infra_error", "child_died: …", "child_died"

    monkeypatch.setattr(publish_rl, "check_gold", lambda *_: Broken)
    with pytest.raises(YisangError, match="could not be graded: child_died"):
        publish(many, purpose="rl", to=str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_records_that_ask_nothing_are_refused(tmp_path: Path) -> None:
    from yisang.records import Page

    run = run_of(tmp_path / "run", (Page(id="p", url="https://example.org"),))
    with pytest.raises(YisangError, match="ends in records of kind page"):
        publish(run, purpose="rl", to=str(tmp_path / "out"))


def one_each(rows: Iterator[Question]) -> bool:
    return max(Counter(row.id for row in rows).values()) == 1


def test_a_question_with_many_answers_is_one_row(tmp_path: Path) -> None:
    asked = prompt("p", text="1 + 1", kind="math", gold="2")
    run = run_of(tmp_path / "run", tuple(traced(asked, sample) for sample in range(9)))
    publish(run, purpose="rl", to=str(tmp_path / "out"))
    assert one_each(read_questions(str(tmp_path / "out")))
