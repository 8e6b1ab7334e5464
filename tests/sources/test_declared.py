"""Sources as data: what a TOML file declares is what a recipe would write, and a wrong entry is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from yisang.errors import UsageError
from yisang.filters.licence import licence
from yisang.records import Prompt
from yisang.sources import Csv, Exams, JsonLines, Tasks, Warc
from yisang.sources.declared import TYPES, declared_sources

TERMS = 'licence = "CC-BY-4.0"\nevidence = "the archive\'s terms"\ndate = "2026-11-01"\n'
ROWS = f'[[source]]\ntype = "jsonlines"\npaths = "a.jsonl"\nname = "a"\ntext = "question"\nlanguage = "ko"\n{TERMS}'


def written(folder: Path, text: str) -> Path:
    path = folder / "sources.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_entries_become_the_sources_that_a_recipe_would_write(tmp_path: Path) -> None:
    text = (
        ROWS.replace('paths = "a.jsonl"', 'paths = ["a.jsonl", "/b/c.jsonl", "s3://d/e.jsonl"]')
        + '[[source]]\ntype = "tasks"\nproblems = 5\nseed = 1\nops = [1, 4]\npreset = "narrow"\n'
        + '[[source]]\ntype = "exams"\nitems = 3\nseed = 2\n'
        + '[[source]]\ntype = "warc"\npaths = "pages/*.warc.gz"\n'
        + f'[[source]]\ntype = "csv"\npaths = "q.tsv"\ndelimiter = "\\t"\nnames = ["q", "a"]\ntext = "q"\nname = "t"\nlanguage = "ko"\n{TERMS}'
    )
    terms = licence("CC-BY-4.0", "the archive's terms", "2026-11-01")
    assert declared_sources(written(tmp_path, text)) == (
        JsonLines(
            paths=(str(tmp_path / "a.jsonl"), "/b/c.jsonl", "s3://d/e.jsonl"),
            text="question",
            name="a",
            language="ko",
            licence=terms,
        ),
        Tasks(5, 1, ops=(1, 4), preset="narrow"),
        Exams(3, 2),
        Warc((str(tmp_path / "pages/*.warc.gz"),)),
        Csv(
            paths=(str(tmp_path / "q.tsv"),),
            delimiter="\t",
            names=("q", "a"),
            text="q",
            name="t",
            language="ko",
            licence=terms,
        ),
    )


def test_a_declared_file_is_read_with_its_licence(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps({"question": "물은 왜 얼음이 되는가?"}) + "\n", encoding="utf-8")
    (source,) = declared_sources(written(tmp_path, ROWS))
    (prompt,) = source.read(source.shards()[0])
    assert (prompt.text, prompt.licence.letter, prompt.licence.evidence) == (
        "물은 왜 얼음이 되는가?",
        "A",
        "the archive's terms",
    )


def test_exam_and_maths_questions_can_be_graded(tmp_path: Path) -> None:
    exam = {"question": "조선을 세운 사람은 누구인가?", "choices": ["이성계", "왕건"], "answer": "1"}
    (tmp_path / "a.jsonl").write_text(json.dumps(exam) + "\n", encoding="utf-8")
    for more, kind, options in (
        ('kind = "mcq"\noptions = "choices"\ngold = "answer"\n', "mcq", ("이성계", "왕건")),
        ('kind = "math"\ngold = "answer"\n', "math", ()),
    ):
        (source,) = declared_sources(written(tmp_path, ROWS + more))
        (prompt,) = source.read(source.shards()[0])
        assert isinstance(prompt, Prompt)
        assert (prompt.kind, prompt.options, prompt.gold) == (kind, options, "1")


def test_a_date_may_be_one_of_toml(tmp_path: Path) -> None:
    (plain,) = declared_sources(written(tmp_path, ROWS))
    (dated,) = declared_sources(written(tmp_path, ROWS.replace('"2026-11-01"', "2026-11-01")))
    assert dated == plain


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[source]\nkind = 1\n", r"must hold \[\[source\]\] tables"),
        ("", r"must hold \[\[source\]\] tables"),
        (f"[other]\n{ROWS}", r"must hold \[\[source\]\] tables"),
        ("[[source]\n", "cannot be read as TOML"),
        ('[[source]]\ntype = "excel"\n', r"entry 1: type is 'excel'; it must be one of crawl, csv"),
        (ROWS.replace("evidence", "proof"), "evidence is missing"),
        (ROWS.replace('licence = "CC-BY-4.0"', 'licence = "free"'), "entry 1: .*no licence 'free'"),
        (ROWS.replace('date = "2026-11-01"', 'date = "soon"'), "date is 'soon'"),
        (ROWS.replace(TERMS, ""), "licence is missing"),
        (ROWS.replace('text = "question"\n', ""), "text is missing; jsonlines needs"),
        (ROWS.replace('"jsonlines"', '["jsonlines"]'), r"type is \['jsonlines'\]"),
        (ROWS.replace('date = "2026-11-01"', "date = 3"), "date is 3; it must be a text"),
        (ROWS + 'gold = "answer"\n', 'gold is of questions that can be graded.*kind = "mcq"'),
        (ROWS + 'options = "choices"\n', "options is of questions that can be graded"),
        (ROWS + 'kind = "mcq"\ngold = "answer"\n', "questions of kind mcq need options"),
        (ROWS + "colour = 1\n", "jsonlines takes no 'colour'; it takes"),
        (ROWS.replace('language = "ko"', "language = 3"), "language is 3"),
        (ROWS.replace('"a.jsonl"', "3"), "paths is 3"),
        (ROWS + ROWS, "two are named 'a'"),
        (f'[[source]]\ntype = "tasks"\nproblems = 1\nseed = 1\n{TERMS}', "tasks says its own licence"),
        ('[[source]]\ntype = "tasks"\nproblems = "many"\nseed = 1\n', "problems is 'many'"),
    ],
)
def test_a_wrong_entry_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        declared_sources(written(tmp_path, text))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nowhere\.toml cannot be read"):
        declared_sources(tmp_path / "nowhere.toml")


def test_every_source_of_the_package_can_be_declared() -> None:
    import yisang.sources as package

    sources = {getattr(package, name) for name in package.__all__ if name not in ("PageToPrompts",)}
    concrete = {item for item in sources if hasattr(item, "shards") and item.__name__ != "Source"}
    assert set(TYPES.values()) == concrete
