"""Rows: every form of a file, what is said of a broken one, and what is dropped or refused when they are encoded."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from yisang.errors import UsageError
from yisang.records import Message
from yisang.sft.config import Data, TaskSet
from yisang.sft.encode import DROPPED, ROWS, Encoder, prepare, training_template
from yisang.sft.rows import Row, rows_of
from yisang.storage import Folder

TALK = [{"role": "user", "content": "1+1?"}, {"role": "assistant", "content": "<think>\nx\n</think>\n\n2"}]


@pytest.fixture
def file(tmp_path):
    def make(*rows, name: str = "rows.jsonl") -> str:
        path = tmp_path / name
        path.write_text(
            "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows), encoding="utf-8"
        )
        return str(path)

    return make


def texts(data: Data, seed: int = 0) -> list[list[str]]:
    return [[message.content for message in row.messages] or [row.text] for row in rows_of(data, seed)]


def test_every_form_of_a_row_is_read(file):
    path = file(
        {"id": "a", "messages": TALK},
        {"prompt": "p", "completion": "c"},
        {"instruction": "i", "response": "r"},
        {"question": "q", "answer": "a", "text": "unused"},
        {"text": "bare"},
        {"messages": json.dumps(TALK)},
    )
    talk = [message["content"] for message in TALK]
    assert texts(Data(path=path)) == [talk, ["p", "c"], ["i", "r"], ["q", "a"], ["bare"], talk]


def test_parquet_and_folders_are_read_in_the_order_of_their_names(tmp_path, file):
    file({"prompt": "b", "completion": "1"}, name="b.jsonl")
    pq.write_table(pa.Table.from_pylist([{"messages": TALK}]), tmp_path / "a.parquet")
    assert [row[0] for row in texts(Data(path=str(tmp_path)))] == ["1+1?", "b"]


def test_fewer_rows_than_there_are_are_drawn_by_the_seed(file):
    path = file(*({"prompt": str(number), "completion": "c"} for number in range(50)))
    drawn = [row[0] for row in texts(Data(path=path, rows=10), seed=1)]
    assert len(drawn) == 10
    assert drawn == sorted(drawn, key=int)
    assert drawn == [row[0] for row in texts(Data(path=path, rows=10), seed=1)]
    assert drawn != [row[0] for row in texts(Data(path=path, rows=10), seed=2)]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("{", r"rows.jsonl:1 is no JSON"),
        ("[1]", "rows.jsonl:1: a row must be an object, not list"),
        ({"body": "x"}, "has no messages, .*Its columns are body"),
        ({"messages": []}, "at least one message"),
        ({"messages": "{"}, "messages cannot be read"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "has the role 'robot'"),
        ({"messages": [{"role": "user", "content": None}]}, "content of type NoneType"),
        ({"prompt": 1, "completion": "c"}, "must be text"),
        ({"prompt": "p", "completion": " "}, "a message of the assistant is empty"),
    ],
)
def test_a_broken_row_is_named_by_file_and_line(file, row, message):
    with pytest.raises(UsageError, match=message):
        list(rows_of(Data(path=file(row)), 0))


def test_nothing_to_read_is_said(tmp_path, file):
    for path, message in ((tmp_path / "none", "There is no"), (file(), "holds no row")):
        with pytest.raises(UsageError, match=message):
            list(rows_of(Data(path=str(path)), 0))
    (tmp_path / "unfinished").mkdir()
    (tmp_path / "unfinished" / "recipe.json").write_text("{}")
    with pytest.raises(UsageError, match="is a run that is not finished"):
        list(rows_of(Data(path=str(tmp_path / "unfinished")), 0))
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / ".writing-1-a.jsonl").write_text('{"text": "half"}')
    with pytest.raises(UsageError, match="holds no .jsonl or .parquet"):
        list(rows_of(Data(path=str(tmp_path / "empty")), 0))
    with pytest.raises(UsageError, match="holds 1 rows, and 2 are asked for"):
        list(rows_of(Data(path=file({"text": "x"}), rows=2), 0))


def test_skills_of_worded_tasks():
    def first(**settings) -> Row:
        return next(rows_of(Data(rows=1, tasks=TaskSet(seed=4, **settings)), 0))

    korean, english = first(language="ko"), first(skill="crosslingual", language="ko", source="en")
    assert [message.role for message in korean.messages] == ["system", "user", "assistant"]
    assert korean.messages[2] == english.messages[2]  # the same problem, asked in English, thought in Korean
    assert english.messages[1].content.isascii()
    translation = first(skill="translate", language="ko", source="en")
    assert translation.messages[1] == english.messages[1]
    assert translation.messages[2].content == f"<TRANSLATION>\n{korean.messages[1].content}\n</TRANSLATION>"
    assert first(skill="drill").text.count("=") == 10
    assert "+" in first(skill="addition", ops="3").messages[1].content
    assert len(first(instructions=0.0).messages) == 2


# Encoding


@pytest.fixture
def encoder(tokenizer):
    from transformers import AutoTokenizer

    found = AutoTokenizer.from_pretrained(tokenizer)
    return lambda loss_on="assistant": Encoder(found, training_template(found, "auto"), loss_on)


def test_only_what_the_assistant_says_is_learned_with_its_end(encoder):
    row = next(rows_of(Data(rows=1, tasks=TaskSet(seed=4)), 0))
    encode = encoder()
    found = encode(row)
    learned = [encode.tokenizer.decode(found.ids[start:end]) for start, end in found.spans]
    assert learned == [row.messages[2].content + "<|im_end|>"]
    assert found.targets == sum(end - start for start, end in found.spans)


def test_all_turns_of_the_assistant_are_learned_thoughts_included(encoder):
    encode = encoder()
    talk = tuple(Message(role, text) for role, text in (
        ("user", "1"), ("assistant", "<think>\n2\n</think>\n\n3"), ("user", "4"), ("assistant", "5"),
    ))  # fmt: skip
    found = encode(Row("a", talk))
    learned = [encode.tokenizer.decode(found.ids[start:end]) for start, end in found.spans]
    assert learned == ["<think>\n2\n</think>\n\n3<|im_end|>", "5<|im_end|>"]


def test_loss_on_all_and_bare_text_learn_every_token_but_the_first(encoder):
    row = next(rows_of(Data(rows=1, tasks=TaskSet(seed=4)), 0))
    found = encoder("all")(row)
    assert found.targets == len(found.ids) - 1
    text = encoder()(Row("a", text="1 2 3"))
    assert text.targets == len(text.ids) - 1
    assert text.ids[-1] == encoder().tokenizer.eos_token_id


def test_a_row_of_which_nothing_is_learned_is_an_error_that_names_it(encoder):
    with pytest.raises(UsageError, match=r"Nothing is learned of the row odd: its messages \(user\)"):
        encoder()(Row("odd", (Message("user", "x"),)))
    with pytest.raises(UsageError, match=r"Nothing is learned of the row odd: its text is empty"):
        encoder()(Row("odd"))


def test_a_row_over_the_limit_is_dropped_and_listed_and_never_cut(settings, encoder, tmp_path):
    config = settings(rows=40, max_length=100)
    folder = Folder(str(tmp_path / "rows"))
    summary = prepare(config, encoder(), folder)
    rows = pa.ipc.open_stream(folder.read_bytes(ROWS)).read_all().to_pylist()
    dropped = [json.loads(line) for line in folder.read_bytes(DROPPED).splitlines()]
    assert 0 < len(dropped) == summary.dropped < 40
    assert len(rows) == summary.rows == 40 - len(dropped)
    whole = {row.id: encoder()(row).ids for row in rows_of(config.data[0], 0)}
    assert all(row["input_ids"] == whole[row["id"]] for row in rows)
    assert all(line["tokens"] == len(whole[line["id"]]) > 100 and line["reason"] == "too_long" for line in dropped)


def test_no_row_left_is_an_error(settings, encoder, tmp_path):
    with pytest.raises(UsageError, match="all 40 are longer than max_length = 5"):
        prepare(settings(rows=40, max_length=5), encoder(), Folder(str(tmp_path / "rows")))
