"""Publishing a finished run: views, card, licence guard, the folder's place, and the Hub (a real server on loopback)."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

sys.path.insert(0, str(Path(__file__).parent))
import hub_server

from yisang.errors import UsageError, YisangError
from yisang.pipelines import publish_order
from yisang.pipelines.boundary import Boundary
from yisang.pipelines.phases import Setting
from yisang.pipelines.publish import publish
from yisang.pipelines.recipe import load
from yisang.pipelines.run import open_run, read_books, run_recipe

RECIPE = '''
"""Small sums in words."""

from dataclasses import dataclass
from typing import Any

from yisang.pipelines.curate import Corpus, ToExample
from yisang.pipelines.recipe import Recipe
from yisang.pipelines.steps import Each
from yisang.records import Drop, Example, Licence, Message, Prompt, Trace, child_id, content_id
from yisang.sources.base import Shard

NAME, VERSION, STOP_AT = {name!r}, {version!r}, {stop_at!r}
ROWS = {rows!r}


def licence(letter, **more):
    id_ = more.pop("id", {{"A": "CC-BY-4.0", "B": "CC-BY-NC-4.0", "C": "unknown"}}[letter])
    return Licence(id=id_, letter=letter, evidence="footer of the page", date="2026-01-02", **more)


@dataclass(frozen=True)
class Rows:
    rows: tuple
    name: str = "rows"

    def shards(self):
        return [Shard("0"), Shard("1")]

    def read(self, shard):
        for row in self.rows[int(shard.path) :: 2]:
            yield Prompt(
                id=content_id(row["text"]), text=row["text"], language=row.get("language", "ko"),
                category=row.get("category", "math"), licence=licence(row.get("letter", "A"), **row.get("licence", {{}})),
                gold=row.get("gold"), kind=row.get("kind", "open"), source=row.get("source", "golmok"), url="https://golmok.example/" + row["text"],
                attribution=row.get("attribution", ""), measures=row.get("prompt_measures", {{}}),
                parents=tuple(row.get("parents", ())), graph=row,
            )

    def count(self, shard):
        return len(self.rows[int(shard.path) :: 2])

    def inputs(self):
        return []


def long_enough(prompt):
    return prompt if not prompt.graph.get("short") else Drop("short", {{"length": 1}})


def teach(prompt):
    row = prompt.graph
    for sample in range(row.get("samples", 1)):
        think, answer = "Let me add. 더하면 " + prompt.text, "답은 " + str(sample)
        yield Trace(
            id=child_id(prompt.id, sample), prompt=prompt, sample=sample, text="<think>" + think + "</think>" + answer,
            think=think, answer=answer, teacher="Qwen3-32B", revision="abc123",
            sampling={{"temperature": 0.6, "seed": sample}}, prompt_version="mixed-3", finish_reason="stop",
            usage={{"prompt_tokens": 7, "completion_tokens": 11}}, category=prompt.category,
            licence=licence(row["trace_letter"]) if "trace_letter" in row else prompt.licence,
            measures=row.get("measures", {{}}), verdicts=row.get("verdicts", {{}}),
        )


@dataclass(frozen=True)
class Made:
    """ToExample, with the faults that a row asks for."""

    to_example: Any = ToExample()

    def __call__(self, trace):
        import msgspec

        row, example = trace.prompt.graph, self.to_example(trace)
        if "label" in row:
            example = msgspec.structs.replace(example, licence=licence(row["label"]))
        if row.get("unanswered"):
            example = msgspec.structs.replace(example, messages=example.messages[:1])
        return example


def build():
    steps = (Each(long_enough), Each(teach), Each(Made(), name="to_example"))[:STOP_AT]
    return Recipe(NAME, VERSION, Rows(tuple(ROWS)), steps, Corpus("작은 셈", "ko"))
'''


def make_run(
    folder: Path, rows: list[dict[str, Any]], *, name: str = "sums", version: str = "1", stop_at: int = 3
) -> str:
    """A finished run of a small recipe over `rows`; returns its address."""
    folder.mkdir(parents=True, exist_ok=True)
    recipe = folder / "sums.py"
    recipe.write_text(RECIPE.lstrip().format(name=name, version=version, stop_at=stop_at, rows=rows), encoding="utf-8")
    run_recipe(load(str(recipe)), Setting(out=str(folder / "run")))
    return str(folder / "run")


def sums(count: int, **more: Any) -> list[dict[str, Any]]:
    return [
        {"text": f"{number} 더하기 {number}", "category": "math" if number % 3 else "science", **more}
        for number in range(count)
    ]


RICH = [
    {
        "text": "하나",
        "measures": {"whole": 1, "mixed": 1, "flag": True, "odd": True, "none": None, "big": 2**70},
        "verdicts": {"structure": "one"},
        "prompt_measures": {"hangul_share": 0.5},
        "gold": "2",
        "attribution": "김",
        "licence": {"id": "CC-BY-SA-4.0", "share_alike": True},
        "parents": ["p1", "p2"],
        "samples": 2,
    },
    {
        "text": "둘",
        "measures": {
            "whole": 3,
            "mixed": 0.5,
            "flag": False,
            "odd": 7,
            "think_target_share": 0.125,
            "think_share_of": "think: syllables / letters",
        },
        "verdicts": {"structure": "several"},
        "category": "science",
        "source": "dapbang",
    },
    {"text": "셋", "language": "en", "category": "science"},
    {"text": "넷", "short": True},
]


@pytest.fixture(scope="module")
def rich(tmp_path_factory: pytest.TempPathFactory) -> str:
    return make_run(tmp_path_factory.mktemp("rich"), RICH)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> str:
    return make_run(tmp_path_factory.mktemp("plain"), sums(40))


@pytest.fixture(scope="module")
def later(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A later version of the recipe of `plain`."""
    return make_run(tmp_path_factory.mktemp("later"), sums(50), version="2")


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A run with 30 rows of letter A and 25 of letter B."""
    closed = [{"text": f"닫힌 {number}", "letter": "B", "source": "momsinho"} for number in range(25)]
    return make_run(tmp_path_factory.mktemp("mixed"), sums(30) + closed)


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def rows_of(folder: Path, view: str) -> list[dict[str, Any]]:
    return [row for path in sorted((folder / view).iterdir()) for row in pq.read_table(path).to_pylist()]


CHILD = """
import json, os, resource, signal, sys
asked = json.loads(sys.argv[1])
from yisang.errors import YisangError
from yisang.pipelines import publish_order
from yisang.pipelines.publish import publish
import huggingface_hub, pyarrow.parquet
publish_order.SHARD_ROWS = asked.pop("shard_rows", publish_order.SHARD_ROWS)
kill = asked.pop("kill_at", None)
if "file_limit" in asked:
    limit = asked.pop("file_limit")
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
def say(line):
    print(line, flush=True)
    if kill and line.startswith(kill):
        os.kill(os.getpid(), signal.SIGKILL)
try:
    publish(asked.pop("run"), say=say, **asked)
except YisangError as error:
    print(f"yisang: {error}", file=sys.stderr)
    sys.exit(error.exit_code)
"""


def child(tmp_path: Path, env: dict[str, str] | None = None, **asked: Any) -> subprocess.CompletedProcess[str]:
    """publish in a process of its own, as huggingface_hub reads its settings when it is imported."""
    known = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "HUGGING"))}
    known |= {
        "HF_HOME": str(tmp_path / "hf"),
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "NO_PROXY": "127.0.0.1",
    }
    command = [sys.executable, "-c", CHILD, json.dumps(asked)]
    return subprocess.run(command, env=known | (env or {}), capture_output=True, text=True, check=False)


# The views


def test_messages_and_instruction_hold_the_rows_of_the_run_in_the_order_of_their_ids(rich: str, tmp_path: Path) -> None:
    publish(rich, to=str(tmp_path / "out"))
    out, manifest = open_run(rich)
    examples = sorted(Boundary(out, manifest.sink).all_records(), key=lambda record: record.id)
    assert len(examples) == 4
    tail = [{"category": e.category, "licence": e.licence.id, "licence_letter": "A"} for e in examples]
    messages = [[{"role": m.role, "content": m.content} for m in e.messages] for e in examples]
    assert rows_of(tmp_path / "out", "messages") == [
        {"id": e.id, "messages": m, **t} for e, m, t in zip(examples, messages, tail, strict=True)
    ]
    assert rows_of(tmp_path / "out", "instruction") == [
        {"id": e.id, "instruction": m[0]["content"], "response": m[1]["content"], **t}
        for e, m, t in zip(examples, messages, tail, strict=True)
    ]


FIXED = (
    "id prompt think answer response category language kind gold source url attribution licence licence_letter "
    "licence_evidence licence_date share_alike prompt_id trace_id sample teacher teacher_revision sampling prompt_version "
    "finish_reason prompt_tokens completion_tokens weight parents"
)
FLAT = {
    "measure_big": "string",
    "measure_flag": "bool",
    "measure_mixed": "double",
    "measure_none": "string",
    "measure_odd": "string",
    "measure_think_share_of": "string",
    "measure_think_target_share": "double",
    "measure_whole": "int64",
    "prompt_measure_hangul_share": "double",
    "verdict_structure": "string",
}


def test_full_has_a_flat_typed_column_for_each_measure_and_verdict(rich: str, tmp_path: Path) -> None:
    publish(rich, to=str(tmp_path / "out"))
    (path,) = (tmp_path / "out" / "full").iterdir()
    schema = pq.read_schema(path)
    assert schema.names == [*FIXED.split(), *FLAT]
    assert {name: str(schema.field(name).type) for name in FLAT} == FLAT
    rows = {(row["prompt"], row["sample"]): row for row in rows_of(tmp_path / "out", "full")}
    one, two, three = rows["하나", 1], rows["둘", 0], rows["셋", 0]
    assert {name: one[name] for name in FLAT} == {
        "measure_big": str(2**70), "measure_flag": True, "measure_mixed": 1.0, "measure_none": None, "measure_odd": "true",
        "measure_think_share_of": None, "measure_think_target_share": None, "measure_whole": 1,
        "prompt_measure_hangul_share": 0.5, "verdict_structure": "one",
    }  # fmt: skip
    assert (two["measure_mixed"], two["measure_odd"], two["measure_think_target_share"]) == (0.5, "7", 0.125)
    assert all(three[name] is None for name in FLAT)
    assert one["response"] == f"<think>\n{one['think']}\n</think>\n\n{one['answer']}"
    assert (one["gold"], one["parents"], one["attribution"], one["share_alike"]) == ("2", ["p1", "p2"], "김", True)
    assert (one["licence"], one["licence_evidence"], one["licence_date"]) == (
        "CC-BY-SA-4.0",
        "footer of the page",
        "2026-01-02",
    )
    assert (one["teacher"], one["teacher_revision"], one["prompt_version"]) == ("Qwen3-32B", "abc123", "mixed-3")
    assert (json.loads(one["sampling"]), one["sample"]) == ({"temperature": 0.6, "seed": 1}, 1)
    assert (one["prompt_tokens"], one["completion_tokens"], one["weight"]) == (7, 11, 1.0)
    assert (one["trace_id"], one["id"]) == (f"{one['prompt_id']}/1", f"{one['prompt_id']}/1/0")
    assert (three["share_alike"], three["gold"], three["parents"], three["language"]) == (False, None, [], "en")


LOAD = """
import json, sys
from datasets import load_dataset
found = {}
for view in ("messages", "instruction", "full"):
    rows = load_dataset(sys.argv[1], view, split="train")
    streamed = list(load_dataset(sys.argv[1], view, split="train", streaming=True))
    found[view] = {"columns": rows.column_names, "rows": rows.to_list(), "streamed": streamed,
                   "types": {name: getattr(kind, "dtype", "") for name, kind in rows.features.items()}}
found["default"] = load_dataset(sys.argv[1], split="train").column_names
print(json.dumps(found))
"""


def test_load_dataset_reads_each_view_also_streaming(rich: str, tmp_path: Path) -> None:
    publish(rich, to=str(tmp_path / "out"))
    cache = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "hf"), "HF_DATASETS_CACHE": str(tmp_path / "cache")}
    command = [sys.executable, "-c", LOAD, str(tmp_path / "out")]
    found = json.loads(
        subprocess.run(command, env=os.environ | cache, capture_output=True, text=True, check=True).stdout
    )
    for view in ("messages", "instruction", "full"):
        assert found[view]["rows"] == found[view]["streamed"] == rows_of(tmp_path / "out", view)
        assert len(found[view]["rows"]) == 4
    assert found["full"]["columns"] == [*FIXED.split(), *FLAT]
    assert {name: found["full"]["types"][name] for name in FLAT} == {
        name: {"double": "float64"}.get(kind, kind) for name, kind in FLAT.items()
    }
    assert (
        found["default"] == found["messages"]["columns"] == ["id", "messages", "category", "licence", "licence_letter"]
    )
    assert found["instruction"]["columns"] == ["id", "instruction", "response", "category", "licence", "licence_letter"]


@pytest.mark.parametrize("open_shards", [2, 200])
def test_many_shards_hold_all_rows_once_and_sorted(
    plain: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, open_shards: int
) -> None:
    publish(plain, to=str(tmp_path / "one"))
    monkeypatch.setattr(publish_order, "SHARD_ROWS", 7)
    monkeypatch.setattr(publish_order, "OPEN_SHARDS", open_shards)
    published = publish(plain, to=str(tmp_path / "many"))
    for view in ("messages", "instruction", "full"):
        names = [f"train-{number:05d}-of-00006.parquet" for number in range(6)]
        assert sorted(path.name for path in (tmp_path / "many" / view).iterdir()) == names
        assert rows_of(tmp_path / "many", view) == rows_of(tmp_path / "one", view)
        ids = [row["id"] for row in rows_of(tmp_path / "many", view)]
        assert ids == sorted(ids)
        assert len(set(ids)) == 40
    assert [file.rows for file in published.files if file.path.startswith("full/")] == [7, 7, 7, 7, 7, 5]


def test_a_shard_is_also_cut_by_the_size_of_its_rows(
    plain: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publish_order, "SHARD_BYTES", 1)
    assert len(publish(plain, to=str(tmp_path / "out")).files) == 3 * 40 + 2


def test_publishing_again_gives_the_same_bytes(plain: str, later: str, tmp_path: Path) -> None:
    publish(plain, to=str(tmp_path / "a"))
    publish(plain, to=str(tmp_path / "b"))
    before = tree(tmp_path / "a")
    assert tree(tmp_path / "b") == before
    publish(plain, to=str(tmp_path / "a"))
    assert tree(tmp_path / "a") == before
    publish(later, to=str(tmp_path / "a"))
    assert tree(tmp_path / "a") != before


@pytest.mark.parametrize("shard_rows", [1, 100])
def test_the_order_of_the_run_does_not_show_even_where_ids_repeat(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shard_rows: int
) -> None:
    monkeypatch.setattr(publish_order, "SHARD_ROWS", shard_rows)
    rows = [*sums(20), {"text": "1 더하기 1", "category": "daily"}, {"text": "1 더하기 1", "category": "exams"}]
    said: list[str] = []
    publish(make_run(tmp_path / "there", rows), to=str(tmp_path / "a"), say=said.append)
    publish(make_run(tmp_path / "back", rows[::-1]), to=str(tmp_path / "b"))
    for view in ("messages", "instruction", "full"):
        assert tree(tmp_path / "a" / view) == tree(tmp_path / "b" / view)
    assert len(rows_of(tmp_path / "a", "messages")) == 22
    assert "2 rows have an id that another row has too: add a step that drops repeated questions." in said


# The card and the manifest


def tables(text: str) -> dict[str, list[dict[str, str]]]:
    """The tables of a card by their first column's name."""
    found: dict[str, list[dict[str, str]]] = {}
    for block in re.findall(r"(?:^\|.*\|$\n?)+", text, re.MULTILINE):
        head, _, *lines = ([cell.strip() for cell in line.strip("|").split(" | ")] for line in block.splitlines())
        head = [name.strip() for name in head]
        found[head[0]] = [dict(zip(head, (cell.strip() for cell in line), strict=True)) for line in lines]
    return found


def test_the_front_matter_is_one_that_the_hub_reads(rich: str, tmp_path: Path) -> None:
    from huggingface_hub import DatasetCard

    publish(rich, to=str(tmp_path / "out"))
    data = DatasetCard.load(tmp_path / "out" / "README.md").data.to_dict()
    assert data["language"] == ["ko", "en"]
    assert data["license"] == "other"
    assert data["size_categories"] == ["n<1K"]
    assert data["task_categories"] == ["text-generation"]
    assert [config["config_name"] for config in data["configs"]] == ["messages", "instruction", "full"]
    assert [config.get("default") for config in data["configs"]] == [True, None, None]
    for config in data["configs"]:
        (files,) = config["data_files"]
        assert files == {"split": "train", "path": f"{config['config_name']}/train-*.parquet"}
        assert list((tmp_path / "out").glob(files["path"]))


def test_the_numbers_of_the_card_are_those_of_the_books(rich: str, tmp_path: Path) -> None:
    publish(rich, to=str(tmp_path / "out"))
    text = (tmp_path / "out" / "README.md").read_text()
    found, books = tables(text), read_books(open_run(rich)[0])
    assert {line["category"]: int(line["rows"]) for line in found["category"]} == books.category
    assert sum(int(line["rows"]) for line in found["letter"]) == books.kept == 4
    assert {(line["letter"], line["licence"], line["rows"]) for line in found["letter"]} == {
        ("A", "CC-BY-4.0", "2"),
        ("A", "CC-BY-SA-4.0", "2"),
    }
    assert [
        (s["step"], *(int(s[name]) for name in ("in", "born", "dropped", "dead", "kept"))) for s in found["step"]
    ] == [(step.name, step.taken, step.born, sum(step.dropped.values()), step.dead, step.kept) for step in books.steps]
    assert [step["dropped for"] for step in found["step"]] == ["", "short: 1", "", ""]
    assert found["model"] == [
        {
            "model": "Qwen3-32B",
            "revision": "abc123",
            "prompt version": "mixed-3",
            "sampling": '`{"temperature":0.6}`',
            "rows": "4",
        }
    ]
    assert found["column"] == [
        {"column": "measure_think_share_of", "definition": "think: syllables / letters", "rows": "1"}
    ]
    assert found["share"] == [
        {"share": "measure_think_target_share", "rows": "1", "least": "0.125", "mean": "0.125", "most": "0.125"},
        {"share": "prompt_measure_hangul_share", "rows": "2", "least": "0.500", "mean": "0.500", "most": "0.500"},
    ]
    assert "Small sums in words." in text
    assert open_run(rich)[1].fingerprint in text
    assert "2 rows must name an author" in text
    assert "2 rows are share-alike" in text


def test_the_card_of_plain_rows_names_their_one_licence_and_asks_for_nothing(plain: str, tmp_path: Path) -> None:
    publish(plain, to=str(tmp_path / "out"))
    text = (tmp_path / "out" / "README.md").read_text()
    assert "\nlicense: cc-by-4.0\n" in text
    assert "must name an author" not in text
    assert "are share-alike" not in text
    assert "not for redistribution" not in text


def test_the_card_takes_title_and_licence_from_the_recipe_where_they_are_on_record(tmp_path: Path) -> None:
    run = make_run(tmp_path / "r", sums(3))
    path = Path(run) / "recipe.json"
    sink = {"title": "작은 셈: 모음", "language": "ko-KR", "description": "세 줄", "licence": "cc-by-sa-4.0"}
    path.write_text(json.dumps(json.loads(path.read_text()) | {"sink": sink}))
    publish(run, to=str(tmp_path / "out"))
    from huggingface_hub import DatasetCard

    card = DatasetCard.load(tmp_path / "out" / "README.md")
    assert (card.data.pretty_name, card.data.license, card.data.language) == ("작은 셈: 모음", "cc-by-sa-4.0", ["ko"])
    assert "# 작은 셈: 모음\n\n세 줄\n" in card.text


@pytest.mark.parametrize(
    ("rows", "name"), [(1, "n<1K"), (999, "n<1K"), (1000, "1K<n<10K"), (99_999, "10K<n<100K"), (3_700_000, "1M<n<10M")]
)
def test_size_categories_are_the_hubs(rows: int, name: str) -> None:
    from yisang.pipelines.publish_card import size_category

    assert size_category(rows) == name


def test_the_manifest_lists_every_other_file_as_it_is(plain: str, tmp_path: Path) -> None:
    published = publish(plain, to=str(tmp_path / "out"))
    files = tree(tmp_path / "out")
    manifest = json.loads(files.pop("manifest.json"))
    listed = {item["path"]: (item["bytes"], item["sha256"]) for item in manifest["files"]}
    assert listed == {name: (len(data), hub_server.sha256(data)) for name, data in files.items()}
    tables_ = [item for item in manifest["files"] if item["path"].endswith(".parquet")]
    assert [item["rows"] for item in tables_] == [40, 40, 40]
    run = open_run(plain)[1]
    assert (manifest["recipe"], manifest["version"], manifest["fingerprint"]) == (
        run.recipe,
        run.version,
        run.fingerprint,
    )
    assert (manifest["rows"], manifest["schema"], manifest["private"]) == (40, run.schema, False)
    assert published.files[-1].path == "manifest.json"


# What may not be published


def test_b_rows_are_refused_publicly_and_listed(mixed: str, tmp_path: Path) -> None:
    with pytest.raises(YisangError) as refused:
        publish(mixed, to=str(tmp_path / "out"))
    assert refused.value.exit_code == 1
    text = str(refused.value)
    assert "25 of 55 rows have licence letter B" in text
    assert "letter B, licence CC-BY-NC-4.0, source momsinho: 25\n" in text
    assert "--private" in text
    out, manifest = open_run(mixed)
    closed = sorted(r.id for r in Boundary(out, manifest.sink).all_records() if r.licence.letter == "B")
    assert text.endswith(f"first 20 ids: {', '.join(closed[:20])}")
    assert not list(tmp_path.iterdir())


def test_b_rows_are_published_privately_and_marked(mixed: str, tmp_path: Path) -> None:
    published = publish(mixed, to=str(tmp_path / "out"), private=True)
    letters = [row["licence_letter"] for row in rows_of(tmp_path / "out", "messages")]
    assert (letters.count("A"), letters.count("B")) == (30, 25)
    assert published.manifest.private
    assert "**Private: not for redistribution.** 25 rows of 55" in (tmp_path / "out" / "README.md").read_text()


BAD_ROWS: dict[str, tuple[dict[str, Any], str]] = {
    "the row is C": ({"letter": "C"}, "1 of 4 rows have licence letter C"),
    "only the prompt is C": ({"letter": "C", "trace_letter": "A"}, "1 of 4 rows have licence letter C"),
    "only the trace is C": ({"trace_letter": "C", "label": "A"}, "1 of 4 rows have licence letter C"),
    "the prompt is B": ({"letter": "B", "trace_letter": "A"}, "1 of 4 rows claim a right that"),
    "the trace is B": ({"trace_letter": "B", "label": "A"}, "1 of 4 rows claim a right that"),
    "share-alike is lost": ({"licence": {"share_alike": True}, "label": "A"}, "1 of 4 rows claim a right that"),
    "ND is lost": ({"letter": "B", "licence": {"derive": False}, "label": "B"}, "1 of 4 rows claim a right that"),
    "there is no reply": ({"unanswered": True}, "1 of 4 rows do not end in a message of the assistant"),
}


@pytest.mark.parametrize("private", [False, True])
@pytest.mark.parametrize("what", BAD_ROWS)
def test_a_row_that_may_never_be_published_is_refused_also_privately(what: str, private: bool, tmp_path: Path) -> None:
    row, message = BAD_ROWS[what]
    run = make_run(tmp_path / "r", [*sums(3), {"text": "나쁜 줄", **row}])
    with pytest.raises(YisangError, match=message) as refused:
        publish(run, to=str(tmp_path / "out"), private=private)
    assert refused.value.exit_code == 1
    assert not (tmp_path / "out").exists()


def test_records_that_are_no_training_rows_are_refused(tmp_path: Path) -> None:
    run = make_run(tmp_path / "r", sums(3), stop_at=2)
    with pytest.raises(YisangError, match=r"records of kind trace .* Each\(ToExample\(\)\)"):
        publish(run, to=str(tmp_path / "out"))


def test_an_empty_corpus_is_refused(tmp_path: Path) -> None:
    run = make_run(tmp_path / "r", sums(3, short=True))
    with pytest.raises(YisangError, match="kept no rows"):
        publish(run, to=str(tmp_path / "out"))


def test_a_run_that_differs_from_its_books_is_refused(tmp_path: Path) -> None:
    run = make_run(tmp_path / "r", sums(3))
    books = Path(run) / "books.json"
    books.write_text(books.read_text().replace('"kept": 3', '"kept": 4'))
    with pytest.raises(YisangError, match="speak of 4 rows, 3 are stored"):
        publish(run, to=str(tmp_path / "out"))


def test_what_is_no_finished_run_is_refused(plain: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        publish(str(tmp_path / "nothing"), to=str(tmp_path / "out"))
    with pytest.raises(UsageError, match="Nowhere to publish to"):
        publish(plain)


# The folder


def test_a_later_version_replaces_the_earlier_one_and_leaves_nothing_beside(
    plain: str, later: str, tmp_path: Path
) -> None:
    publish(plain, to=str(tmp_path / "a" / "out"))
    publish(later, to=str(tmp_path / "b" / "out"))
    publish(later, to=str(tmp_path / "a" / "out"))
    assert tree(tmp_path / "a") == tree(tmp_path / "b")


def test_an_empty_folder_is_taken(plain: str, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    publish(plain, to=str(tmp_path / "out"))
    assert (tmp_path / "out" / "manifest.json").exists()


def test_a_foreign_folder_is_left_alone(plain: str, later: str, tmp_path: Path) -> None:
    foreign, other, extra = tmp_path / "foreign", tmp_path / "other", tmp_path / "extra"
    foreign.mkdir()
    (foreign / "manifest.json").write_text('{"recipe": "sums", "files": []}')
    publish(make_run(tmp_path / "r", sums(3), name="others"), to=str(other))
    publish(plain, to=str(extra))
    (extra / "full" / "notes.txt").write_text("mine")
    before = tree(tmp_path)
    for folder, message in [
        (foreign, "holds other files and no publication"),
        (Path(plain), "holds other files and no publication"),
        (other, "publication of recipe others, and this is recipe sums"),
        (extra, r"1 files that are no part of the publication .*full/notes.txt"),
        (foreign / "manifest.json", "is a file"),
        (foreign / "manifest.json" / "below", "nothing can be written"),
    ]:
        for dry_run in (False, True):
            with pytest.raises(UsageError, match=message) as refused:
                publish(later, to=str(folder), dry_run=dry_run)
            assert refused.value.exit_code == 2
    assert tree(tmp_path) == before
    with pytest.raises(UsageError, match="not on this machine"):
        publish(plain, to="memory://out")


def test_a_failure_in_the_middle_leaves_the_old_publication_and_no_new_one(
    plain: str, later: str, tmp_path: Path
) -> None:
    place = tmp_path / "place"
    publish(plain, to=str(place / "out"))
    before = tree(place)
    failed = child(tmp_path, run=later, to=str(place / "out"), file_limit=2_000)
    assert failed.returncode == 1, failed.stderr
    assert "could not be written (" in failed.stderr
    assert "What was published there before is unchanged" in failed.stderr
    assert "Traceback" not in failed.stderr
    assert tree(place) == before
    assert [path.name for path in place.iterdir()] == ["out"]
    failed = child(tmp_path, run=later, to=str(place / "new"), file_limit=2_000)
    assert failed.returncode == 1
    assert [path.name for path in place.iterdir()] == ["out"]
    assert child(tmp_path, run=later, to=str(place / "out"), file_limit=2_000_000).returncode == 0
    assert tree(place) != before


def test_what_a_killed_process_left_is_tidied_by_the_next(plain: str, later: str, tmp_path: Path) -> None:
    place = tmp_path / "place"
    publish(plain, to=str(place / "out"))
    before = tree(place / "out")
    assert child(tmp_path, run=later, to=str(place / "out"), kill_at="Shard").returncode == -9
    assert tree(place / "out") == before
    assert len(list(place.iterdir())) == 2
    publish(later, to=str(place / "out"))
    assert [path.name for path in place.iterdir()] == ["out"]


def test_two_publish_side_by_side_and_neither_tidies_the_other_away(plain: str, later: str, tmp_path: Path) -> None:
    def start_another(line: str) -> None:
        if line.startswith("Shard"):
            publish(later, to=str(tmp_path / "place" / "out"))

    publish(plain, to=str(tmp_path / "place" / "out"), say=start_another)
    publish(plain, to=str(tmp_path / "alone"))
    assert tree(tmp_path / "place" / "out") == tree(tmp_path / "alone")


def test_a_publication_that_was_moved_aside_and_not_replaced_comes_back(plain: str, later: str, tmp_path: Path) -> None:
    """The state that a kill between the two renames leaves."""
    place = tmp_path / "place"
    publish(plain, to=str(place / "out"))
    before = tree(place / "out")
    (place / "out").rename(place / ".replaced-out")
    assert child(tmp_path, run=later, to=str(place / "out"), file_limit=2_000).returncode == 1
    assert tree(place / "out") == before
    assert [path.name for path in place.iterdir()] == ["out"]


def test_a_dry_run_writes_nothing_and_lists_what_the_real_run_writes(plain: str, later: str, tmp_path: Path) -> None:
    dry: list[str] = []
    real: list[str] = []
    place = tmp_path / "place"
    planned = publish(plain, to=str(place / "out"), dry_run=True, say=dry.append)
    assert not list(tmp_path.iterdir())
    published = publish(plain, to=str(place / "out"), say=real.append)
    assert planned.files == published.files
    written = {name: (len(data), hub_server.sha256(data)) for name, data in tree(place / "out").items()}
    assert {file.path: (file.bytes, file.sha256) for file in planned.files} == written
    lines = [f"{f.path}  {f.bytes} bytes" + ("" if f.rows is None else f"  {f.rows} rows") for f in planned.files]
    assert [line for line in dry if line in lines] == [line for line in real if line in lines] == lines
    assert len(lines) == 5
    before = tree(place)
    publish(later, to=str(place / "out"), dry_run=True)
    assert tree(place) == before


def test_a_dry_run_refuses_what_the_real_one_does(mixed: str, tmp_path: Path) -> None:
    with pytest.raises(YisangError, match="letter B"):
        publish(mixed, to=str(tmp_path / "out"), dry_run=True)
    assert publish(mixed, to=str(tmp_path / "out"), dry_run=True, private=True).manifest.rows == 55


# The Hub


@pytest.fixture
def hub() -> Iterator[hub_server.Hub]:
    with hub_server.serve() as hub:
        yield hub


def on_hub(hub: hub_server.Hub, tmp_path: Path, token: str | None = hub_server.TOKEN, **asked: Any) -> tuple[int, str]:
    """publish against the loopback Hub; its exit code and all that it said. The token must be nowhere."""
    env = {"HF_ENDPOINT": hub.url} | ({"HF_TOKEN": token} if token else {})
    done = child(tmp_path, env, **asked)
    said = done.stdout + done.stderr
    assert hub.unknown == []
    assert "Traceback" not in said, said
    if token:
        assert token not in said
        assert not [name for name, data in tree(tmp_path).items() if token.encode() in data]
    return done.returncode, said


WRITING = ("POST /api/repos", "PUT ", "/commit/")


def wrote(hub: hub_server.Hub) -> list[str]:
    return [call for call in hub.calls if any(part in call for part in WRITING)]


def test_a_new_data_set_holds_the_bytes_of_the_folder_after_one_commit(
    hub: hub_server.Hub, plain: str, tmp_path: Path
) -> None:
    code, said = on_hub(hub, tmp_path, run=plain, to=str(tmp_path / "out"), repo="team/sums")
    assert code == 0, said
    repo = hub.repos["team/sums"]
    assert {name: data for name, data in repo.files.items() if name != ".gitattributes"} == tree(tmp_path / "out")
    assert ".gitattributes" in repo.files
    assert not repo.private
    (commit,) = repo.commits
    assert commit["summary"] == f"yisang publish: sums 1, fingerprint {open_run(plain)[1].fingerprint}"
    assert (commit["wrote"], commit["deleted"]) == (sorted(tree(tmp_path / "out")), [])
    assert f"{hub.url}/datasets/team/sums/commit/{repo.sha}" in said
    assert 'load_dataset("team/sums", "messages"' in repo.files["README.md"].decode()


def test_the_second_version_deletes_in_the_same_commit_what_it_no_longer_has(
    hub: hub_server.Hub, plain: str, later: str, tmp_path: Path
) -> None:
    assert on_hub(hub, tmp_path, run=plain, repo="team/sums", shard_rows=10)[0] == 0
    repo = hub.repos["team/sums"]
    assert len(repo.files) == 3 * 4 + 3
    old = {name for name in repo.files if name.endswith(".parquet")}
    repo.files |= {"assets/picture.png": b"theirs", "full/stray.parquet": b"loaded with the others"}
    assert on_hub(hub, tmp_path, run=later, repo="team/sums", to=str(tmp_path / "out"))[0] == 0
    kept = {name: data for name, data in repo.files.items() if name not in (".gitattributes", "assets/picture.png")}
    assert kept == tree(tmp_path / "out")
    assert repo.files["assets/picture.png"] == b"theirs"
    assert len(repo.commits) == 2
    assert repo.commits[1]["deleted"] == sorted(old | {"full/stray.parquet"})
    assert on_hub(hub, tmp_path, run=later, repo="team/sums")[0] == 0
    assert len(repo.commits) == 2


def test_b_rows_go_into_a_private_data_set_only(hub: hub_server.Hub, mixed: str, tmp_path: Path) -> None:
    code, said = on_hub(hub, tmp_path, run=mixed, repo="team/sums")
    assert (code, hub.calls) == (1, [])
    assert "25 of 55 rows have licence letter B" in said
    assert on_hub(hub, tmp_path, run=mixed, repo="team/sums", private=True)[0] == 0
    repo = hub.repos["team/sums"]
    assert repo.private
    assert json.loads(repo.files["manifest.json"])["rows"] == 55
    assert on_hub(hub, tmp_path, run=mixed, repo="team/sums", private=True)[0] == 0


def test_a_public_data_set_is_refused_for_a_private_publication(
    hub: hub_server.Hub, mixed: str, tmp_path: Path
) -> None:
    hub.repos["team/sums"] = hub_server.Repo(private=False)
    code, said = on_hub(hub, tmp_path, run=mixed, repo="team/sums", private=True)
    assert code == 1
    assert "team/sums is public on the Hub, and --private was asked" in said
    assert wrote(hub) == []
    assert "Shard" not in said  # refused before anything was built


def test_a_data_set_made_public_while_we_build_is_refused(hub: hub_server.Hub, mixed: str, tmp_path: Path) -> None:
    repo = hub.repos["team/sums"] = hub_server.Repo(private=True)
    hub.on_call["/tree/"] = lambda: setattr(repo, "private", False)
    code, said = on_hub(hub, tmp_path, run=mixed, repo="team/sums", private=True)
    assert (code, wrote(hub)) == (1, [])
    assert "team/sums is public on the Hub" in said


def test_a_public_publication_may_go_into_a_private_data_set(hub: hub_server.Hub, plain: str, tmp_path: Path) -> None:
    repo = hub.repos["team/sums"] = hub_server.Repo(private=True)
    code, said = on_hub(hub, tmp_path, run=plain, repo="team/sums")
    assert (code, repo.private, len(repo.commits)) == (0, True, 1)
    assert "team/sums is private on the Hub and stays so" in said


def test_a_data_set_of_something_else_is_refused(hub: hub_server.Hub, plain: str, tmp_path: Path) -> None:
    publish(make_run(tmp_path / "r", sums(3), name="others"), to=str(tmp_path / "others"))
    hub.repos["team/others"] = hub_server.Repo(private=False, files=tree(tmp_path / "others"))
    hub.repos["team/theirs"] = hub_server.Repo(private=False, files={"data.csv": b"a,b"})
    for name, message in [
        ("team/others", "a publication of recipe others; this is recipe sums"),
        ("team/theirs", "did not publish"),
    ]:
        before = dict(hub.repos[name].files)
        code, said = on_hub(hub, tmp_path, run=plain, repo=name)
        assert (code, wrote(hub), hub.repos[name].files) == (1, [], before)
        assert message in said
    hub.repos["team/new"] = hub_server.Repo(private=False, files={".gitattributes": b"", "README.md": b"soon"})
    assert on_hub(hub, tmp_path, run=plain, repo="team/new")[0] == 0


def test_questions_for_rl_have_a_data_set_of_their_own(hub: hub_server.Hub, tmp_path: Path) -> None:
    rows = [{"text": f"{number} + 1 = ?", "kind": "math", "gold": str(number + 1)} for number in range(12)]
    run = make_run(tmp_path / "r", rows)
    assert on_hub(hub, tmp_path, run=run, repo="team/rl", purpose="rl", shard_rows=5)[0] == 0
    repo = hub.repos["team/rl"]
    assert 'load_dataset("team/rl", "questions"' in repo.files["README.md"].decode()
    before = {name for name in repo.files if name.startswith("questions/")}
    assert len(before) == 3
    repo.files |= {"questions/stray.parquet": b"loaded with the others"}
    code, said = on_hub(hub, tmp_path, run=run, repo="team/rl")
    assert code == 1
    assert "a publication of recipe sums for rl; this is recipe sums" in said
    assert on_hub(hub, tmp_path, run=run, repo="team/rl", purpose="rl")[0] == 0
    assert repo.commits[1]["deleted"] == sorted({*before, "questions/stray.parquet"})
    assert {name for name in repo.files if name.startswith("questions/")} == {"questions/train-00000-of-00001.parquet"}


def test_a_dry_run_lists_the_files_of_the_upload_and_makes_no_request(
    hub: hub_server.Hub, plain: str, tmp_path: Path
) -> None:
    code, said = on_hub(hub, tmp_path, None, run=plain, repo="team/sums", dry_run=True)
    assert (code, hub.calls) == (0, [])
    assert on_hub(hub, tmp_path, run=plain, repo="team/sums")[0] == 0
    listed = {path: int(size) for path, size in re.findall(r"^(\S+)  (\d+) bytes", said, re.MULTILINE)}
    files = hub.repos["team/sums"].files
    assert listed == {name: len(data) for name, data in files.items() if name != ".gitattributes"}


def test_a_wrong_or_missing_token_is_said_in_words(hub: hub_server.Hub, plain: str, tmp_path: Path) -> None:
    code, said = on_hub(hub, tmp_path, "hf_wrongToken98765", run=plain, repo="team/sums")
    assert (code, wrote(hub)) == (1, [])
    assert "The Hub answered 401 for team/sums" in said
    assert "hf auth login" in said
    code, said = on_hub(hub, tmp_path, None, run=plain, repo="team/sums")
    assert (code, wrote(hub)) == (1, [])
    assert "No Hub token was found" in said


@pytest.mark.parametrize(
    ("where", "status", "message"),
    [
        ("GET /api/datasets/", 503, "503 for team/sums: .* Wait some minutes"),
        ("POST /api/repos/create", 403, "403 for team/sums: .* write access"),
        ("/commit/", 503, "503 for team/sums: .* Wait some minutes"),
        ("PUT /lfs/", 403, "403 for team/sums: .* write access"),
    ],
)
def test_a_failing_hub_is_said_in_words_and_nothing_is_committed(
    hub: hub_server.Hub, plain: str, tmp_path: Path, where: str, status: int, message: str
) -> None:
    hub.fail[where] = status
    code, said = on_hub(hub, tmp_path, run=plain, repo="team/sums")
    assert code == 1
    assert re.search(message, said), said
    assert not any(repo.commits for repo in hub.repos.values())
    hub.fail.clear()
    hub.repos.setdefault("team/sums", hub_server.Repo(private=False))
    assert on_hub(hub, tmp_path, run=plain, repo="team/sums")[0] == 0


def test_a_commit_of_somebody_else_meanwhile_is_not_overwritten(
    hub: hub_server.Hub, plain: str, tmp_path: Path
) -> None:
    repo = hub.repos["team/sums"] = hub_server.Repo(private=False)
    theirs = {"summary": "theirs", "wrote": [], "deleted": []}
    hub.on_call["/preupload/"] = lambda: repo.commits.append(theirs)
    code, said = on_hub(hub, tmp_path, run=plain, repo="team/sums")
    assert (code, repo.commits) == (1, [theirs])
    assert "412 for team/sums" in said
    assert "changed by somebody else meanwhile" in said


def test_a_hub_that_is_not_there_is_said_in_words(plain: str, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nowhere = hub_server.Hub()
        nowhere.url = f"http://127.0.0.1:{free.getsockname()[1]}"
        code, said = on_hub(nowhere, tmp_path, run=plain, repo="team/sums")
    assert code == 1
    assert "The Hub was not reached for team/sums" in said


@pytest.mark.parametrize("name", ["sums", "a/b/c", "team/", "team/su ms", "team/sums.git", "team/--x"])
def test_what_is_no_name_of_a_data_set_is_refused(plain: str, name: str) -> None:
    with pytest.raises(UsageError, match="Write it as user/name"):
        publish(plain, repo=name, dry_run=True)
