"""The Yi-Sang recipes, end to end without a model: every constant of the paper is there, every branch bears rows, nothing is asked twice."""

from __future__ import annotations

import functools
import json
from collections import Counter
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from recipes_for_tests.helpers import check_balance

from yisang.cli import main
from yisang.errors import UsageError
from yisang.filters.cot import ThinkShare
from yisang.filters.quota import Quota
from yisang.languages import load as load_language
from yisang.languages.shares import script_share
from yisang.pipelines.boundary import Boundary
from yisang.pipelines.compile import compile_recipe
from yisang.pipelines.known_teachers import teacher
from yisang.pipelines.phases import Setting
from yisang.pipelines.recipe import Recipe, load
from yisang.pipelines.recipes.yi_sang import CATEGORIES, MODES, Settings, yi_sang
from yisang.pipelines.recipes.yi_sang_hq import QUOTAS, Finishing, yi_sang_hq
from yisang.pipelines.report import rejected
from yisang.pipelines.rl_questions import read_questions
from yisang.pipelines.run import open_run, read_books, run_recipe
from yisang.pipelines.stages.decontaminate import Decontaminate
from yisang.pipelines.stages.teach import Teach
from yisang.records import Example, Prompt
from yisang.sources import Exams
from yisang.storage import Folder
from yisang.tasks.problems import Request, make_problem
from yisang.teachers.generation import Sampling

pytest.importorskip("transformers")

SOURCES = """
[[source]]
type = "tasks"
problems = 60
seed = 41
language = "en"
ops = [1, 4]
preset = "narrow"
category = "OpenThought"
name = "english-tasks"

[[source]]
type = "exams"
items = 60
seed = 5

[[source]]
type = "jsonlines"
paths = "posts.jsonl"
name = "posts"
text = "text"
language = "ko"
category_column = "category"
licence = "CC-BY-NC-4.0"
evidence = "written for the tests"
date = "2026-11-01"
"""
BENCHMARKS = """
[[source]]
type = "jsonlines"
paths = "leaked.jsonl"
name = "leaked"
text = "question"
language = "ko"
licence = "CC0-1.0"
evidence = "written for the tests"
date = "2026-11-01"

[[source]]
type = "tasks"
problems = 2
seed = 41
start = 20
language = "en"
ops = [1, 4]
preset = "narrow"
name = "leaked-english"
"""


def posts() -> list[dict[str, str]]:
    """Korean tasks in posts of two categories, a copy, an English post, one that is too short, and one that nobody here can answer."""
    tasks = [make_problem(Request("ko", 2, 3, "", "narrow"), 9, number).question for number in range(8)]
    intro = "수업에서 받은 문제인데 차례대로 푸는 법을 알려 주시면 고맙겠습니다."
    return [
        *({"text": f"{intro}\n\n{task}", "category": "Science"} for task in tasks[:4]),
        *({"text": f"{intro}\n\n{task}", "category": "Daily"} for task in tasks[4:]),
        {"text": f"{intro}\n\n{tasks[0]}", "category": "Science"},
        {"text": "This one is written in English, and no part of it is in another language.", "category": "Code"},
        {"text": "짧은 글", "category": "Code"},
        {
            "text": "우리 동네 도서관에서 책을 빌리려면 무엇을 챙겨 가야 하는지 자세히 알려 주세요. 처음 가 봅니다.",
            "category": "Code",
        },
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("yi_sang")
    (found / "sources.toml").write_text(SOURCES)
    (found / "posts.jsonl").write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in posts()))
    (found / "benchmarks.toml").write_text(BENCHMARKS)
    leaked = make_problem(Request("en", 1, 4, "", "narrow"), 41, 7)
    (found / "leaked.jsonl").write_text(json.dumps({"question": leaked.translated("ko")}) + "\n")
    return found


def run(folder: Path, name: str, *sets: str) -> Path:
    out = folder / f"out-{name}"
    recipe = load(name, None, [f"sources={folder}/sources.toml", "taught_by=scripted", *sets])
    run_recipe(recipe, Setting(out=str(out), answers=str(folder / "answers")))
    check_balance(read_books(Folder(str(out))))
    return out


@pytest.fixture(scope="module")
def corpus(folder: Path) -> Path:
    return run(folder, "yi_sang")


def rows(out: Path) -> list[Example]:
    folder, manifest = open_run(str(out))
    found = list(Boundary(folder, manifest.sink).all_records())
    assert all(isinstance(row, Example) for row in found)
    return [row for row in found if isinstance(row, Example)]


def drops(out: Path) -> Counter[tuple[str, str]]:
    return Counter((row["step"], row["reason"]) for row in rejected(str(out), "drops", 10_000, private=True))


# The corpus


def test_every_branch_bears_rows_with_mixed_thoughts_and_korean_answers(corpus: Path) -> None:
    found = rows(corpus)
    assert set(Counter(row.category for row in found)) == {"OpenThought", "Exams", "Science", "Daily"}
    korean = load_language("ko")
    band = ThinkShare("ko")
    for row in found:
        assert row.trace.prompt.language == "ko"
        share = script_share(row.trace.think or "", korean)
        assert share is not None
        assert band.low <= share <= band.high
        answer = script_share((row.trace.answer or "").split("\\boxed")[0], korean)
        assert answer is None or answer > 0.5
    translated = [row for row in found if row.category == "OpenThought"]
    assert all(row.trace.prompt.measures["translated_by"].startswith("scripted") for row in translated)  # type: ignore[union-attr]
    assert len(translated) > 40


def test_what_should_not_be_kept_leaves_by_its_name(corpus: Path) -> None:
    found = drops(corpus)
    assert found["exact_duplicates", "exact_duplicate"] == 1
    assert found["length", "too_short"] >= 1
    assert found["min_share", "target_share_low"] == 1
    assert found["by_finish", "finish_declined"] >= 1
    faults = {step for step, _ in found if step.startswith("by_")}
    assert {"by_finish", "by_structure", "by_answer_language", "by_think_share"} <= faults


def test_exam_questions_get_options_directives_and_answers_that_are_right(corpus: Path) -> None:
    exams = [row.trace for row in rows(corpus) if row.category == "Exams"]
    merged = [trace for trace in exams if trace.prompt.measures["options_merged"]]
    styled = [trace for trace in exams if trace.prompt.measures["directive"]]
    assert merged
    assert styled
    assert all(4 < len(trace.prompt.options) <= 10 for trace in merged)
    wrong = [trace.id for trace in exams if trace.verdicts["grade"] not in ("correct", "wrong")]
    assert not wrong
    right = [trace for trace in exams if trace.verdicts["grade"] == "correct"]
    # The teacher was told to be wrong in 2 of 100.
    assert len(right) >= 0.85 * len(exams)


def test_licences_go_with_the_rows_and_b_is_not_published(corpus: Path, tmp_path: Path, capsys: Any) -> None:
    assert {row.licence.letter for row in rows(corpus) if row.category == "Daily"} == {"B"}
    assert main(["publish", str(corpus), "--to", str(tmp_path / "public")]) == 1
    assert "--private" in capsys.readouterr().err


def test_what_is_expected_stands_beside_what_was_measured(corpus: Path, capsys: Any) -> None:
    assert main(["show", str(corpus)]) == 0
    lines = capsys.readouterr().out.splitlines()
    (line,) = [line for line in lines if line.startswith("traces behind the response filters  ")]
    steps = {step.name: step.kept for step in read_books(Folder(str(corpus))).steps}
    asked, kept = steps["min_share"], steps["examples"]
    assert line.split()[5:9] == ["3,700,000", "63.9%", f"{kept:,}", f"{kept / asked:.1%}"]


# The part that is trained on


@pytest.fixture(scope="module")
def best(folder: Path, corpus: Path) -> tuple[Path, int, int]:
    """The run, and how many bytes of answers were in the store before and after it."""

    def stored() -> int:
        return sum(file.stat().st_size for file in (folder / "answers").rglob("*") if file.is_file())

    before = stored()
    out = run(folder, "yi_sang_hq", f"benchmarks={folder}/benchmarks.toml", "scale=0.0005")
    return out, before, stored()


def test_it_asks_nothing_that_was_answered_before(best: tuple[Path, int, int]) -> None:
    _, before, after = best
    assert before == after > 100


def test_other_categories_benchmarks_and_what_is_over_quota_leave(best: tuple[Path, int, int]) -> None:
    out, _, _ = best
    found = drops(out)
    assert found["categories", "category"] == 4  # Daily
    assert found["decontaminate", "contaminated"] >= 1
    # In English, before they are translated and paid for; in Korean no 13-gram of them is left.
    assert found["leaked_sources", "contaminated"] == 2
    kept = Counter(row.category for row in rows(out))
    assert kept["OpenThought"] == round(62_000 * 0.0005)
    assert found["quota", "over_quota"] >= 1
    assert all(row.measures["student_tokens"] <= 16_384 for row in rows(out))  # type: ignore[operator]
    (quota,) = [step for step in read_books(Folder(str(out))).steps if step.name == "quota"]
    assert any("Code 0 of 43, 43 short" in note for note in quota.notes)


def test_both_hand_offs_are_read_without_glue(best: tuple[Path, int, int], folder: Path, tmp_path: Path) -> None:
    from yisang.sft.config import load_config
    from yisang.sft.rows import rows_of

    out, _, _ = best
    assert main(["publish", str(out), "--for", "sft", "--to", str(tmp_path / "sft"), "--private"]) == 0
    config = load_config("quickstart", [f"data.0.path={json.dumps(str(tmp_path / 'sft'))}"])
    assert sum(1 for _ in rows_of(config.data[0], 0)) == len(rows(out))

    asked = run(folder, "yi_sang_rl", "samples=2")
    assert main(["publish", str(asked), "--for", "rl", "--to", str(tmp_path / "rl"), "--private"]) == 0
    questions = list(read_questions(str(tmp_path / "rl")))
    by_id = {question.id: question for question in questions}
    pairs = [
        (by_id[parent], question)
        for question in questions
        for parent in question.parents
        if parent in by_id and question.language == "ko"
    ]
    assert len(pairs) >= 50
    assert all(english.language == "en" and english.gold == korean.gold for english, korean in pairs)
    rates = [question.pass_rate for question in questions if question.pass_rate is not None]
    assert min(rates) < 1.0 == max(rates)


# The constants, and what may differ


def described(recipe: Recipe) -> str:
    return json.dumps([phase.parameters() for phase in compile_recipe(recipe).phases], sort_keys=True)


def whole(folder: Path, **settings: Any) -> Recipe:
    given = Settings(sources=str(folder / "sources.toml"), benchmarks=str(folder / "benchmarks.toml"), **settings)
    return yi_sang_hq(given, Finishing())


def step_of(recipe: Recipe, name: str) -> Any:
    (found,) = [step for step in recipe.steps if step.name == name]
    return found


def test_the_paper_s_constants_are_the_defaults(folder: Path) -> None:
    recipe = whole(folder)
    assert step_of(recipe, "min_share").fn.low == 0.30
    length = step_of(recipe, "length").fn
    assert (length.low, length.high) == (50, 8192)
    assert step_of(recipe, "merge_options").most == 10
    teach = step_of(recipe, "teach")
    assert isinstance(teach, Teach)
    sampling = teach.sampling
    assert (sampling.temperature, sampling.top_p, sampling.top_k, sampling.max_tokens) == (0.6, 0.95, 20, 16_384)
    assert (teach.teacher.model, teach.template.version) == ("Qwen/Qwen3-32B", "ko-mixed-1/system")
    share = step_of(recipe, "think_share").fn
    assert (share.low, share.high) == (0.05, 0.20)
    assert step_of(recipe, "tokens").fn.limit == 16_384
    clean = step_of(recipe, "decontaminate")
    assert isinstance(clean, Decontaminate)
    assert (clean.n, clean.raw_n) == (13, 13)
    quota = step_of(recipe, "quota").fn
    assert isinstance(quota, Quota)
    assert dict(quota.limits) == {"OpenThought": 62_000, "Code": 86_000, "Science": 37_000, "Exams": 66_000}
    assert sum(QUOTAS.values()) == 251_000
    assert len(CATEGORIES) == 9
    assert set(QUOTAS) <= set(CATEGORIES)


def fingerprint(folder: Path, **settings: Any) -> str:
    return compile_recipe(yi_sang(Settings(sources=str(folder / "sources.toml"), **settings))).fingerprint


@functools.cache
def unchanged(folder: Path, settings: tuple[tuple[str, Any], ...]) -> str:
    return fingerprint(folder, **dict(settings))


CHANGED: dict[str, Any] = {
    "floor": 0.31,
    "shortest": 51,
    "longest": 8000,
    "mask_pii": False,
    "near": 0.7,
    "letters": ("A",),
    "only": ("Code",),
    "language": "ja",
    "translated_from": "",
    "translated_by": "qwen3-4b",
    "translator_terms": "CC-BY-NC-4.0",
    "terms": "CC-BY-NC-4.0",
    "benchmarks": "benchmarks.toml",
    "ngram": 12,
    "analyser": "mecab-ko",
    "translate_attempts": 2,
    "exams": "none",
    "option_share": 0.4,
    "style_share": 0.4,
    "gold_form": "text",
    "cot": "short",
    "band": (0.05, 0.30),
    "placement": "first_turn",
    "taught_by": "qwen3-4b",
    "sampling": Sampling(temperature=0.7),
    "samples": 2,
    "graded": True,
    "title": "Another",
}
PATHS = {"inputs", "sites", "sources"}
"""What lies there counts, and not where it lies."""


@pytest.mark.parametrize("name", CHANGED)
def test_each_setting_bears_identity(folder: Path, name: str) -> None:
    if name == "analyser":
        pytest.importorskip("mecab")
    # What is only looked at beside another setting is changed beside it.
    beside: dict[str, Any] = {
        "ngram": {"benchmarks": str(folder / "benchmarks.toml")},
        "analyser": {"benchmarks": str(folder / "benchmarks.toml")},
        "translator_terms": {"translated_by": "qwen3-4b"},
    }.get(name, {})
    value = str(folder / CHANGED[name]) if name == "benchmarks" else CHANGED[name]
    assert fingerprint(folder, **beside, **{name: value}) != unchanged(folder, tuple(beside.items()))


def test_no_setting_is_forgotten_here() -> None:
    assert {item.name for item in fields(Settings)} == CHANGED.keys() | PATHS


def test_every_setting_has_a_name_on_the_command_line(folder: Path) -> None:
    given = [f"sources={folder}/sources.toml", "benchmarks=none", "floor=0.25", 'letters=["A"]', "tokens=8192"]
    given += ["band=[0.1, 0.3]", "sampling={temperature = 0.7}", "student=a/b", "student_revision=0123abc"]
    recipe = load("yi_sang_hq", None, given).recipe
    assert step_of(recipe, "min_share").fn.low == 0.25
    assert step_of(recipe, "licence").fn.letters == ("A",)
    tokens = step_of(recipe, "tokens").fn
    assert (tokens.tokenizer, tokens.revision, tokens.limit) == ("a/b", "0123abc", 8192)
    assert (step_of(recipe, "think_share").fn.low, step_of(recipe, "think_share").fn.high) == (0.1, 0.3)
    assert step_of(recipe, "teach").sampling == Sampling(temperature=0.7)


def test_what_binds_a_teacher_binds_its_traces() -> None:
    bound = teacher("a/b@0123abc", "CC-BY-NC-4.0").teacher.licence
    assert bound is not None
    assert (bound.id, bound.letter) == ("CC-BY-NC-4.0", "B")
    assert teacher("qwen3-32b").teacher.licence is None
    assert teacher("qwen3-32b", "KOGL-4").teacher.licence.derive is False  # type: ignore[union-attr]


def test_golds_are_graded_as_they_are_written(folder: Path) -> None:
    recipe = whole(folder, gold_form="text")
    forms = {step_of(recipe, "grade").fn.settings.gold_form, step_of(recipe, "prove_gold").fn.settings.gold_form}
    assert forms | {step_of(recipe, "merge_options").gold_form} == {"text"}


def test_a_language_without_blanks_is_compared_by_more_characters(folder: Path) -> None:
    assert step_of(whole(folder, language="ja"), "decontaminate").reading.raw_n == 26
    assert step_of(whole(folder), "decontaminate").reading.raw_n == 13


def test_exam_questions_of_a_file_get_options_too(folder: Path) -> None:
    pool = Exams(60, 8)
    rows_ = [
        {"question": item.text, "choices": list(item.options), "answer": item.gold}
        for item in pool.read(pool.shards()[0])
        if isinstance(item, Prompt)
    ]
    (folder / "exams.jsonl").write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows_))
    (folder / "exams.toml").write_text(
        '[[source]]\ntype = "jsonlines"\nkind = "mcq"\npaths = "exams.jsonl"\nname = "file"\ntext = "question"\n'
        'options = "choices"\ngold = "answer"\nlanguage = "ko"\ncategory = "Exams"\nlicence = "CC0-1.0"\n'
        'evidence = "written for the tests"\ndate = 2026-11-01\n'
    )
    out = folder / "out-file"
    recipe = load("yi_sang", None, [f"sources={folder}/exams.toml", "taught_by=scripted"])
    run_recipe(recipe, Setting(out=str(out), answers=str(folder / "answers")))
    found = [row.trace for row in rows(out)]
    merged = [trace for trace in found if trace.prompt.measures["options_merged"]]
    assert merged
    assert all(f"{len(trace.prompt.options)}. " in trace.prompt.text for trace in merged)
    assert sum(trace.verdicts["grade"] == "correct" for trace in found) >= 0.8 * len(found) > 5


ARMS: dict[str, tuple[list[str], list[str], set[str]]] = {
    "arm_cot": (["cot=mixed"], ["cot=english_only"], {"teach", "think_share"}),
    "arm_cot-short": (["cot=mixed"], ["cot=short"], {"teach"}),
    "arm_teacher": (["taught_by=qwen3-32b"], ["taught_by=qwen3-4b"], {"teach"}),
    "arm_category": (["category=Code"], ["category=Medical"], {"categories", "quota"}),
    "arm_exams": (["exams=style"], ["exams=option"], {"style", "merge_options", "prove_gold"}),
}


@pytest.mark.parametrize("name", ARMS)
def test_arms_differ_in_what_they_are_about_and_nothing_else(folder: Path, name: str) -> None:
    first, second, wanted = ARMS[name]
    given = [f"sources={folder}/sources.toml", f"benchmarks={folder}/benchmarks.toml"]
    one, other = (
        {step.name: step for step in load(name.partition("-")[0], None, [*given, *sets]).recipe.steps}
        for sets in (first, second)
    )
    differing = {step for step in one.keys() | other.keys() if one.get(step) != other.get(step)}
    assert differing == wanted


@pytest.mark.parametrize(
    ("sets", "rows_"),
    [(["category=Science"], 40_000), (["category=Code"], 53_000), (["category=Medical", "size=100000"], None)],
)
def test_the_paper_s_number_stands_beside_a_slice_of_its_own_size(
    folder: Path, sets: list[str], rows_: int | None
) -> None:
    recipe = load("arm_category", None, [f"sources={folder}/sources.toml", "benchmarks=none", *sets]).recipe
    assert [item.count for item in recipe.expected] == ([rows_] if rows_ else [])


@pytest.mark.parametrize("cot", MODES)
def test_every_language_of_thought_is_an_arm(folder: Path, cot: str) -> None:
    given = [f"sources={folder}/sources.toml", "benchmarks=none", f"cot={cot}"]
    recipe = load("arm_cot", None, given).recipe
    assert step_of(recipe, "teach").template.mode == cot
    assert (step_of(recipe, "think_share").fn.low, step_of(recipe, "think_share").fn.high) == MODES[cot]
    quota = step_of(recipe, "quota").fn
    assert dict(quota.limits) == {"OpenThought": 50_000}
    assert dict(quota.extra) == {"Exams": 3_000}


@pytest.mark.parametrize(
    ("recipe", "sets", "message"),
    [
        ("yi_sang", [], "reads nothing yet"),
        ("yi_sang", ["sources={}/sources.toml", "taught_by=gpt"], "knows no teacher 'gpt'.*qwen3-32b"),
        ("yi_sang", ["sources={}/sources.toml", "cot=latin"], "cot is 'latin'; it must be one of mixed"),
        ("yi_sang", ["sources={}/sources.toml", "samples=0"], "samples is 0"),
        ("yi_sang", ["sources={}/nothing.toml"], "nothing.toml cannot be read"),
        ("yi_sang_hq", ["sources={}/sources.toml"], "no benchmarks to keep out"),
        ("yi_sang_hq", ["sources={}/sources.toml", "benchmarks=none", "scale=0.0"], "scale is 0.0"),
        ("yi_sang_hq", ["sources={}/sources.toml", "benchmarks=none", "scale=inf"], "scale is inf"),
        ("yi_sang", ["sources={}/sources.toml", "graded=True"], "graded=True does not fit.*Write true or false"),
        ("yi_sang", ["sources={}/sources.toml", "taught_by=a/b@main"], "a branch moves"),
        ("yi_sang", ["sources={}/sources.toml", "taught_by=a/b@0123abc"], "Nobody said what binds the output of a/b"),
        ("yi_sang", ["sources={}/sources.toml", "taught_by=a/b@0123abc", "terms=free"], "terms is 'free'"),
        ("yi_sang", ["sources={}/sources.toml", "taught_by=mini", "terms=MIT"], "mini writes is bound by nothing"),
        ("yi_sang_rl", [], "build.. needs `sources`. Give it with --set sources=VALUE"),
        (
            "arm_category",
            ["sources={}/sources.toml", "benchmarks=none", "category=Medicine"],
            "nothing has the category 'Medicine'. There are Code",
        ),
    ],
)
def test_a_wrong_setting_says_what_to_write(folder: Path, recipe: str, sets: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        load(recipe, None, [word.format(folder) for word in sets])
