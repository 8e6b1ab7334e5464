"""Benchmarks by name and settings: their questions, and what is said of settings and data that are no good."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from yisang.errors import UsageError
from yisang.evals.benchmarks import Item, spec_of
from yisang.evals.benchmarks.tasks import EVAL_SEEDS, TasksSettings, problems
from yisang.grading import grade
from yisang.languages import load
from yisang.tasks.problems import Problem, Request, make_problems
from yisang.tasks.selection import SplitGuard
from yisang.tasks.wording import parse

DATA = Path(__file__).parents[3] / "shared" / "data" / "math"


def items(given: Any) -> list[Item]:
    return spec_of(given).items()


# Names and settings


def test_a_text_and_a_table_mean_the_same():
    text = spec_of("tasks:lang=ko, ops=1-4,n=20,context=zoo,preset=narrow,seed=7,mode=mixed,held_out=true")
    table = {
        "name": "tasks", "lang": "ko", "ops": "1-4", "n": 20, "context": "zoo", "preset": "narrow", "seed": 7,
        "mode": "mixed", "held_out": True,
    }  # fmt: skip
    assert spec_of(table) == text
    assert spec_of(text.label) == text
    assert text.label == "tasks:held_out=true,ops=1-4,n=20,context=zoo,preset=narrow,seed=7,mode=mixed"


def test_where_the_data_are_is_no_part_of_what_is_measured():
    one, other = spec_of("mmath:path=/a,lang=ko+ja"), spec_of("mmath:path=/b,lang=ko+ja")
    assert one.label == other.label == "mmath:lang=ko+ja"
    assert one.matters() == other.matters()
    assert "path" not in one.matters()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("gsm8k", "There is no benchmark 'gsm8k'; there are tasks, mgsm, mmath."),
        ("tasks:ops", "'ops' must look like name=value"),
        ("tasks:n=3,n=4", "each name once"),
        ("tasks:operations=3", "unknown field `operations`"),
        ("tasks:n=many", "Expected `int`"),
        ("tasks:n=0", "n must be 1 or more"),
        ("tasks:kind=guess", "Invalid enum value 'guess'"),
        ("tasks:direction=up", "must be one of forward, reverse, both"),
        ("tasks:kind=translate,lang=en,source=en", "source must be another language"),
        ("tasks:source=en", "source is for kind=translate"),
        ("tasks:kind=translate,mode=mixed", "leave mode away"),
        ({"lang": "ko"}, "has no `name`"),
    ],
)
def test_wrong_settings_are_told_in_words(given: Any, words: str):
    with pytest.raises(UsageError) as error:
        spec_of(given)
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("tasks:ops=x", "write a number or a range"),
        ("tasks:preset=huge", "there is no preset"),
        ("tasks:lang=en,mode=mixed", "no teacher prompt 'mixed'"),
        ("tasks:lang=xx", "There is no language 'xx'"),
        ("tasks:placement=margin", "placement is 'margin'"),
        ("tasks:preset=addition,ops=1,n=82", "only 81 different problems of 1 operations"),
        ("mgsm:path=/no/such/place", "does not exist"),
        ("mgsm:lang=xx,path=.", "no sentence in 'xx'"),
    ],
)
def test_what_cannot_be_asked_is_told_in_words(given: str, words: str):
    with pytest.raises(UsageError, match=f"(?i){words}"):
        items(given)


# tasks


def test_there_are_equally_many_different_problems_of_each_number_of_operations():
    found = items("tasks:ops=1-4,n=30,preset=narrow,context=zoo")
    assert Counter(item.cell for item in found) == {"1": 30, "2": 30, "3": 30, "4": 30}
    assert len({item.id for item in found}) == len({item.question for item in found}) == 120
    assert all(item.graph and item.graph["ops"] == int(item.cell) for item in found)
    assert all(grade(item.prompt(), f"\\boxed{{{item.gold}}}").verdict == "correct" for item in found)


def test_problems_follow_from_settings_alone():
    assert items("tasks:n=4,seed=3") == items("tasks:n=4,seed=3")
    assert not {item.id for item in items("tasks:n=4,seed=3")} & {item.id for item in items("tasks:n=4,seed=4")}


def test_the_instruction_is_that_of_the_mode():
    for mode in ("mixed", "target_only", "english_only"):
        (first, *_) = items(f"tasks:n=1,ops=2,mode={mode}")
        assert [turn.role for turn in first.messages] == ["system", "user"]
        assert first.messages[0].content == load("ko").prompt(mode).text
    assert items("tasks:n=1,ops=2,lang=en")[0].messages[0].content == load("en").prompt("target_only").text
    (turn,) = items("tasks:n=1,ops=2,placement=prefix")[0].messages
    assert turn.content.startswith(load("ko").prompt("mixed").text)
    (item,) = items("tasks:n=1,ops=2,mode=none")
    assert [(turn.role, turn.content) for turn in item.messages] == [("user", item.question)]
    (turn,) = items("tasks:n=1,ops=2,mode=boxed,placement=suffix")[0].messages
    assert turn.content.endswith("\\boxed{} 안에 쓰세요.")


def test_a_crosslingual_problem_is_asked_in_one_language_and_answered_in_another():
    (first, *_) = items("tasks:kind=crosslingual,lang=ko,n=1,ops=3")
    assert first.messages[0].content == load("ko").prompt("target_only").text
    assert first.messages[1].content.endswith("?")
    assert first.messages[1].content.isascii()
    assert (first.lang, first.consistency) == ("ko", ("answer",))


def test_a_translation_s_gold_is_the_same_graph():
    for item in items("tasks:kind=translate,lang=ja,source=ko,n=3,direction=both"):
        assert item.graph is not None
        there, back = (
            parse(text, lang, item.graph["context"]) for text, lang in ((item.question, "ko"), (item.gold, "ja"))
        )
        assert there.graph == back.graph
        assert item.judge == "translation"


def test_training_seeds_are_far_away_and_a_guard_can_check_problems():
    settings = TasksSettings(ops="4-6", n=10)
    evaluated = [problem for problem in problems(settings) if isinstance(problem, Problem)]
    assert len(evaluated) == 30
    guard = SplitGuard()
    for problem in evaluated:
        guard.add(problem)
    training = list(make_problems(Request("ko", 4, 6), seed=0, count=30))
    assert not [leak for problem in training if (leak := guard.leak(problem))]
    # The same seed as an evaluation's is found out.
    leaked = next(make_problems(Request("ko", 4, 4), seed=EVAL_SEEDS, count=1))
    assert guard.leak(leaked) is not None


def test_sums_are_tasks_too():
    found = items("tasks:preset=addition,ops=2-3,n=5")
    assert Counter(item.cell for item in found) == {"2": 5, "3": 5}


# mgsm and mmath, from files of our own


ROWS = [
    {"question": "사과가 3개, 배가 4개 있다. 모두 몇 개인가?", "answer_number": 7},
    {"question": "연필 12자루를 둘이 나누면?", "answer_number": 6.0},
]


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    name = path.name.removesuffix(".gz")
    if name.endswith(".parquet"):
        import pyarrow as pa
        from pyarrow import parquet

        parquet.write_table(pa.Table.from_pylist(rows), path)
        return path
    if name.endswith(".tsv"):
        text = "".join("\t".join(map(str, row.values())) + "\n" for row in rows)
    elif name.endswith(".json"):
        text = json.dumps(rows, ensure_ascii=False)
    else:
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    data = text.encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


@pytest.mark.parametrize("name", ["ko.tsv", "a.jsonl", "a.jsonl.gz", "a.json", "a.parquet"])
def test_mgsm_is_read_from_any_kind_of_file(name: str, tmp_path: Path):
    found = items(f"mgsm:lang=ko,path={write(tmp_path / name, ROWS)}")
    assert [(item.question, item.gold, item.cell) for item in found] == [
        (ROWS[0]["question"], "7", "ko"),
        (ROWS[1]["question"], "6" if not name.endswith(".tsv") else "6.0", "ko"),
    ]
    assert (
        found[0].messages[-1].content
        == f"{ROWS[0]['question']}\n차근차근 생각하여 문제를 푼 다음, 최종 답을 \\boxed{{}} 안에 쓰세요."
    )
    assert len(items(f"mgsm:lang=ko,limit=1,path={tmp_path / name}")) == 1


def test_of_a_folder_the_files_of_the_language_are_read_and_no_training_split(tmp_path: Path):
    write(tmp_path / "ko" / "test-00000-of-00001.parquet", ROWS)
    write(tmp_path / "ko" / "train-00000-of-00001.parquet", [{"question": "예시", "answer_number": 1}])
    write(tmp_path / "ja" / "test-00000-of-00001.parquet", [{"question": "合計は?", "answer_number": 9}])
    assert [item.gold for item in items(f"mgsm:lang=ko,path={tmp_path}")] == ["7", "6"]
    assert [item.gold for item in items(f"mgsm:lang=ja+ko,path={tmp_path}")] == ["9", "7", "6"]
    with pytest.raises(UsageError, match="does not tell its language"):
        items(f"mgsm:lang=en,path={tmp_path}")


MMATH = [
    {"question": f"{lang} {gid}: 1+{gid}?", "answer": gid + 1, "lang": lang, "gid": gid, "data_source": "own"}
    for gid in range(3)
    for lang in ("ko", "ja")
]


def test_mmath_has_one_file_or_many_and_knows_which_rows_are_one_problem(tmp_path: Path):
    one = items(f"mmath:lang=ko+ja,path={write(tmp_path / 'all.jsonl', MMATH)}")
    for lang in ("ko", "ja"):
        write(tmp_path / "many" / f"{lang}.json", [row for row in MMATH if row["lang"] == lang])
    assert items(f"mmath:lang=ko+ja,path={tmp_path / 'many'}") == one
    assert [item.cell for item in one] == ["ko"] * 3 + ["ja"] * 3
    assert [item.cluster for item in one] == ["mmath/0", "mmath/1", "mmath/2"] * 2


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.jsonl", '{"question": "q", "answer_number": 1}\n{"question": "q"}\n', "a.jsonl, line 2: the column 'answer_number' holds None"),
        ("a.jsonl", '{"question": "", "answer_number": 1}\n', "line 1: the column 'question' holds ''"),
        ("a.jsonl", '{"question": "q", "answer_number": [1]}\n', "it must be a text or a number"),
        ("a.jsonl", '{"question"\n', "a.jsonl, line 1 is no JSON"),
        ("a.jsonl", "[1]\n", "line 1: no object"),
        ("a.json", '{"question": "q"}', "is no list of objects"),
        ("a.json", "[", "cannot be read"),
        ("a.tsv", "only one column\n", "line 1 has 1 columns; there must be 2"),
        ("a.tsv", "\n", "no questions in 'ko'"),
        ("a.txt", "q\t1\n", "of no kind that is read"),
        ("a.parquet", "no parquet", "cannot be read as Parquet"),
        ("a.jsonl.gz", "not packed", "cannot be read"),
    ],
)  # fmt: skip
def test_data_of_another_schema_are_told_with_file_and_line(name: str, content: str, words: str, tmp_path: Path):
    (tmp_path / name).write_text(content, "utf-8")
    with pytest.raises(UsageError) as error:
        items(f"mgsm:lang=ko,path={tmp_path / name}")
    assert words in str(error.value)


def test_an_empty_folder_is_told(tmp_path: Path):
    with pytest.raises(UsageError, match="holds no data"):
        items(f"mgsm:path={tmp_path}")


def test_mmath_rows_need_their_group(tmp_path: Path):
    rows = [{key: value for key, value in MMATH[0].items() if key != "gid"}]
    with pytest.raises(UsageError, match="the column 'gid' holds None"):
        items(f"mmath:path={write(tmp_path / 'ko.jsonl', rows)}")


def test_all_of_mgsm_is_read_and_each_gold_passes_its_grader():
    if not DATA.exists():
        pytest.skip("the files of MGSM are not here (sample data outside of the repository)")
    found = items(f"mgsm:lang=de+en+es+fr+ja+ru+th+zh,path={DATA}")
    assert Counter(item.cell for item in found) == dict.fromkeys(["de", "en", "es", "fr", "ja", "ru", "th", "zh"], 250)
    assert all(grade(item.prompt(), f"\\boxed{{{item.gold}}}").verdict == "correct" for item in found)
