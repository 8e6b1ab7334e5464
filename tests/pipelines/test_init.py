"""`yisang init`: a project folder that runs as soon as it is filled in, and says what is missing until then."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest

import yisang.languages
from yisang.errors import UsageError
from yisang.filters.licence import Registry
from yisang.languages import UNFILLED, load, shipped_file
from yisang.pipelines.init import init, project_text
from yisang.pipelines.phases import Setting
from yisang.pipelines.recipe import load as load_recipe
from yisang.pipelines.report import books_json
from yisang.pipelines.run import run_recipe
from yisang.tasks.problems import Request, make_problem
from yisang.tasks.wording import recognise

SHIPPED = Path(yisang.languages.__file__).parent

# What somebody writes into the template of a language that does not ship, here Russian, in the order of its lines.
FILLED = [
    'native_name = "Русский"',
    'default = ["own"]',
    'own = ["0410-044F", "0401", "0451"]',
    # refusals
    r"pattern = 'не могу (?:с этим )?помочь'",
    'example = "Извините, я не могу с этим помочь."',
    'unlike = "Я не могу найти второе решение."',
    r"pattern = '\bя (?:—|-) (?:большая )?языковая модель'",
    'example = "Я — языковая модель."',
    'unlike = "Я — учитель языка."',
    # negation
    r"pattern = '\bне (?:является|верно)\b|\bкроме\b'",
    'example = "Что из этого не является млекопитающим?"',
    'unlike = "Кто из них млекопитающее?"',
    # options: all_or_none, refers, statements, among
    r"pattern = '^(?:все|ни один) из (?:перечисленных|вышеуказанных)'",
    'example = "Все из перечисленных"',
    'unlike = "Все млекопитающие"',
    r"pattern = '^[А-Д] и [А-Д]$'",
    'example = "А и Б"',
    'unlike = "А и его обратное"',
    r"pattern = '\bI\. [\s\S]+\bII\. '",
    'example = "Что верно? I. Лёд плавает. II. Железо плавает."',
    'unlike = "Кем был Генрих II?"',
    r"pattern = '\b(?:что|какое|кто) из (?:следующего|этого|них|этих)\b'",
    'example = "Какое из этих чисел простое? Что из этого верно?"',
    'unlike = "Какой город — столица Франции?"',
    # directives
    r"text = 'В конце запишите номер ответа в \boxed{ }.'",
    "text = 'Последняя строка должна иметь вид «Ответ: номер».'",
    "answer = 'Ответ: {n}'",
    # grading
    'markers = ["ответ:", "ответ —"]',
]
TASKS = """
[tasks]
between = " "
list = [", ", " и "]
[tasks.says]
literal = "Число «{a}» равно {n}."
same = "Число «{a}» такое же, как число «{b}»."
is = "Число «{a}» — это {x}."
more = "Число «{a}» на {n} больше, чем {x}."
fewer = "Число «{a}» на {n} меньше, чем {x}."
times = "Число «{a}» в {n} раз больше, чем {x}."
sum = "сумма чисел {list}"
difference = "разность чисел {b} и {c}"
unknown = "Число «{a}» неизвестно, но оно больше 0."
question = "Чему равно число «{a}»?"
[tasks.addition]
question = "Сколько будет {a} + {b}?"
[tasks.trace]
define = "Пусть {v} — число «{a}»."
step = "{so} {e}."
result = "{so} {a} = {e}."
given = "Дано, что {v} = {n}, то есть {e}."
answer = "Ответ: \\\\boxed{{n}}."
drill = "{e}."
so = ["Значит,"]
told = ["Значит,"]
"""
ANIMALS = """львы медведи овцы козы гуси тигры волки лисы олени кролики обезьяны слоны жирафы зебры верблюды пингвины совы выдры
белки черепахи попугаи панды бегемоты журавли"""
PLACES = "лес, долина, холм, озеро, поле, мост, остров, пик, река, сад"


def fill_in(languages: Path) -> None:
    """What somebody who knows the language does with what `init` has written."""
    path = languages / "ru.toml"
    answers = iter(FILLED)
    lines = [
        next(answers) if UNFILLED in line and not line.startswith("#") else line
        for line in path.read_text("utf-8").splitlines()
    ]
    assert list(answers) == []
    path.write_text("\n".join(lines) + TASKS, "utf-8")
    context = languages / "contexts" / "zoo.toml"
    words = iter(["{kind} ({place})", "все животные ({place})", *ANIMALS.split(), *PLACES.split(", ")])
    text = re.sub(rf'"{UNFILLED} [^"]*"', lambda _: f'"{next(words)}"', context.read_text("utf-8"))
    first, _, rest = text.partition("\n")
    context.write_text(first + "\n" + rest.replace("# ", ""), "utf-8")
    assert list(words) == []


@pytest.fixture
def russian(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = init("ru", str(tmp_path / "ru"), "Russian").folder
    fill_in(folder / "languages")
    monkeypatch.setenv("YISANG_LANGUAGES", str(folder / "languages"))
    return folder


@pytest.mark.parametrize("code", ["ja", "ko"])
def test_a_language_that_ships_gets_its_file_and_the_hosts_of_its_web(code: str, tmp_path: Path) -> None:
    project = init(code, str(tmp_path / "here"))
    assert {str(path.relative_to(tmp_path / "here")) for path in (tmp_path / "here").rglob("*.toml")} == {
        "sites.toml",
        "sources.toml",
        f"languages/{code}.toml",
    }
    assert (tmp_path / "here" / "languages" / f"{code}.toml").read_bytes() == (SHIPPED / f"{code}.toml").read_bytes()
    assert len(Registry(tmp_path / "here" / "sites.toml").sites) >= 7
    assert (project.unfilled, project.web) == (0, True)
    assert load_recipe(str(project.folder / "recipe.py"), "pages.warc.gz", taught_by="scripted").recipe.steps


def test_english_is_refused_as_others_think_in_it(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="English is a language that thoughts are in"):
        init("en", str(tmp_path / "en"))
    assert list(tmp_path.iterdir()) == []


def test_the_settings_of_the_recipe_are_those_of_the_paper_and_in_sight(tmp_path: Path) -> None:
    from yisang.pipelines.recipes.yi_sang import Settings

    recipe = (init("ja", str(tmp_path / "ja")).folder / "recipe.py").read_text("utf-8")
    assert recipe.startswith('"""Japanese questions')
    (call,) = [
        node
        for node in ast.walk(ast.parse(recipe))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Settings"
    ]
    written = {
        word.arg: ast.literal_eval(word.value)
        for word in call.keywords
        if not isinstance(word.value, ast.Name | ast.Call)
    }
    settings = Settings(inputs="pages.warc.gz")
    assert written.pop("language") == "ja"
    assert written.pop("title") == "Yi-Sang in Japanese"
    assert written == {name: getattr(settings, name) for name in written}
    assert {"floor", "shortest", "longest", "near", "cot", "option_share", "style_share"} <= set(written)


def test_a_language_that_does_not_ship_gets_a_template_that_is_refused_by_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = init("vi", str(tmp_path / "vi"), "Vietnamese")
    path = project.folder / "languages" / "vi.toml"
    lines = path.read_text("utf-8").splitlines()
    assert project.unfilled == sum(UNFILLED in line and not line.startswith("#") for line in lines) > 20
    assert f"{project.unfilled} lines with {UNFILLED}" in project_text(project)
    assert Registry(project.folder / "sites.toml").sites == {}  # no host is made up
    monkeypatch.setenv("YISANG_LANGUAGES", str(path.parent))
    number = next(number for number, line in enumerate(lines, 1) if "native_name" in line)
    with pytest.raises(UsageError, match=rf"vi.toml, line {number}, is still to be written: native_name"):
        load("vi")
    path.write_text(path.read_text("utf-8").replace(f"{UNFILLED} the language's own name", "Tiếng Việt"), "utf-8")
    with pytest.raises(UsageError, match=rf"vi.toml, line {number + 10}, is still to be written: default"):
        load("vi")


def test_without_a_name_the_template_asks_for_it_everywhere(tmp_path: Path) -> None:
    text = (init("vi", str(tmp_path / "vi")).folder / "languages" / "vi.toml").read_text("utf-8")
    assert "LANGUAGE_NAME" not in text
    assert text.count(f"{UNFILLED} the language's name in English") > 5


def test_a_word_of_a_context_that_is_still_to_be_written_is_named(russian: Path) -> None:
    path = russian / "languages" / "contexts" / "zoo.toml"
    path.write_text(path.read_text("utf-8").replace('"львы"', f'"{UNFILLED} lions"'), "utf-8")
    with pytest.raises(UsageError, match=r"zoo.toml, line \d+, is still to be written: lion"):
        make_problem(Request("ru", 1, 4, "zoo", "narrow"), 1, 0)


def test_a_language_of_ones_own_makes_a_corpus_by_files_alone(russian: Path, tmp_path: Path) -> None:
    """Worded tasks in Russian, thought through in English with Russian names, by the recipe as `init` wrote it."""
    problem = make_problem(Request("ru", 2, 4, "zoo", "narrow"), 1, 0)
    assert "Число «" in problem.question
    assert recognise(problem.question, ("ru",)) is not None
    (russian / "sources.toml").write_text(
        '[[source]]\ntype = "tasks"\nname = "tasks"\nproblems = 60\nseed = 1\nlanguage = "ru"\nops = [2, 4]\npreset = "narrow"\n'
        'context = "zoo"\n',
        "utf-8",
    )
    recipe = russian / "recipe.py"
    text = recipe.read_text("utf-8")
    assert 'sources="",' in text  # as there was nothing to read yet
    recipe.write_text(re.sub(r'sources="",.*', 'sources=str(HERE / "sources.toml"),', text), "utf-8")
    paper, wider = (
        books_of(recipe, tmp_path / name, band) for name, band in (("paper", "None"), ("wider", "(0.05, 0.40)"))
    )
    assert paper["min_share"]["kept"] == 60
    # A name takes twice the letters in an alphabet that it takes in syllables, so many thoughts are over the band of the paper.
    assert paper["by_think_share"]["dropped"]["think_share_high"] > 10
    assert 20 <= paper["examples"]["kept"] < 45 <= wider["examples"]["kept"]


def books_of(recipe: Path, out: Path, band: str) -> dict[str, dict[str, Any]]:
    """The steps of a run of the recipe with this band, whose books balance."""
    recipe.write_text(re.sub(r"band=.*", f"band={band},", recipe.read_text("utf-8")), "utf-8")
    loaded = load_recipe(str(recipe), taught_by="scripted")
    steps = {
        step["name"]: step
        for step in books_json(run_recipe(loaded, Setting(out=str(out)), on="local", workers=1))["steps"]
    }
    for step in steps.values():
        assert step["in"] + step["born"] == step["kept"] + sum(step["dropped"].values()) + step["dead"], step
    return steps


@pytest.mark.parametrize("code", ["", "j", "JA", "japanese", "../ja", "ja/..", "ja.toml", "ja_JP", "j a"])
def test_what_is_no_code_is_refused_with_words(code: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is no language code. Give a BCP 47 code") as caught:
        init(code, str(tmp_path / "out"))
    assert caught.value.exit_code == 2
    assert list(tmp_path.iterdir()) == []


def test_files_that_are_there_are_named_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "recipe.py").write_text("mine")
    with pytest.raises(UsageError, match=r"recipe.py is there already, and nothing was written") as caught:
        init("ja", str(tmp_path))
    assert caught.value.exit_code == 2
    assert [path.name for path in tmp_path.iterdir()] == ["recipe.py"]
    assert (tmp_path / "recipe.py").read_text() == "mine"
    (tmp_path / "recipe.py").unlink()
    init("ja", str(tmp_path))
    with pytest.raises(UsageError, match=r"sites.toml, .*ja.toml are there already"):
        init("ja", str(tmp_path))


def test_another_machine_is_refused() -> None:
    with pytest.raises(UsageError, match="is elsewhere"):
        init("ja", "s3://bucket/ja")


def test_no_shipped_file_has_a_line_to_fill_in() -> None:
    for path in SHIPPED.glob("*.toml"):
        assert UNFILLED not in path.read_text("utf-8")
    assert shipped_file("ja") == SHIPPED / "ja.toml"
    assert shipped_file("vi") is None
    assert shipped_file("../languages/ja") is None
