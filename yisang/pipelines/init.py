"""A project folder for a corpus in a language: its registry of sites, its recipe, its language file.

sites.toml                    the registry; of a language whose miniature web ships, with the hosts of that web
sources.toml                  what is read beside the pages; of a language whose exam pool ships, that pool
recipe.py                     the recipe yi_sang, its settings in sight
languages/CODE.toml           the shipped file, or a template that is refused until it is filled in
languages/contexts/zoo.toml   of a language that does not ship: the words of worded tasks, in comments
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from yisang.errors import UsageError
from yisang.languages import FOLDER_VARIABLE, UNFILLED, shipped_file
from yisang.sources.exams import Exams
from yisang.storage import explained
from yisang.tasks.contexts import shipped_table

TEMPLATES = Path(__file__).parent / "templates"
_CODE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{1,8})*")
_SOURCES = 'sources=str(HERE / "sources.toml"),'
EXAMS = """
# Exam questions of our own, to try the recipe with: facts and small computations (yisang/sources/exams.py).
[[source]]
type = "exams"
name = "exams"
items = 300
seed = 1
language = "CODE"
"""


@dataclass(frozen=True)
class Project:
    """code, name: of the language. folder: where it was written. written: its files, relative to it. web: whether a miniature web ships.

    unfilled: how many lines of the language file are still to be written.
    """

    code: str
    name: str
    folder: Path
    written: tuple[str, ...]
    web: bool
    unfilled: int


def init(code: str, out: str = "", name: str = "") -> Project:
    """Writes a project folder. out: "" for one named by the code. name: the language's, in English; of one that ships it is known.

    Raises UsageError, before anything is written, for a code that is none, a language of thoughts alone (English), an address on another
    machine, and files that are there.
    """
    if not _CODE.fullmatch(code):
        raise UsageError(
            f"{code!r} is no language code. Give a BCP 47 code with the language in lower case, such as ja, vi or zh-Hant."
        )
    folder = Path(out or code)
    if "://" in str(out):
        raise UsageError(f"A project is written on this machine, and {out} is elsewhere. Name a folder with --out.")
    shipped = shipped_file(code)
    if shipped and "mixed" not in tomllib.loads(shipped.read_text("utf-8")).get("prompts", {}):
        raise UsageError(
            f"{_name(code, name)} is a language that thoughts are in, so there is nothing to mix it with, and its file has no "
            "[prompts.mixed]. Name the language of the questions."
        )
    contents, name = _contents(code, name), _name(code, name)
    taken = [str(folder / file) for file in contents if (folder / file).exists()]
    if taken:
        raise UsageError(
            f"{', '.join(taken)} {'is' if len(taken) == 1 else 'are'} there already, and nothing was written. Name another folder "
            "with --out, or move them away."
        )
    for file, text in contents.items():
        with explained(str(folder / file)):
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).write_text(text, "utf-8")
    unfilled = [line for line in contents[f"languages/{code}.toml"].splitlines() if UNFILLED in line]
    return Project(
        code, name, folder, tuple(contents), _web(code) is not None, sum(not line.startswith("#") for line in unfilled)
    )


def _name(code: str, name: str) -> str:
    shipped = shipped_file(code)
    return str(tomllib.loads(shipped.read_text("utf-8"))["name"]) if shipped else name or code


def _contents(code: str, name: str) -> dict[str, str]:
    """The text of each file by its name."""
    shipped, web, pool = shipped_file(code), _web(code), _has_exams(code)
    # Without a name the template says where it is to be put.
    said = _name(code, name) if shipped or name else f"{UNFILLED} the language's name in English"

    def filled(template: str, called: str = said) -> str:
        return (TEMPLATES / template).read_text("utf-8").replace("LANGUAGE_NAME", called).replace("CODE", code)

    recipe = filled("recipe.py", _name(code, name))
    found = {
        "sites.toml": filled("sites.toml", _name(code, name)) + (f"\n{web}" if web else ""),
        "sources.toml": filled("sources.toml") + (EXAMS.replace("CODE", code) if pool else ""),
        "recipe.py": recipe
        if pool
        else recipe.replace(_SOURCES, f'sources="",  # {_SOURCES[8:-1]} as soon as it names one'),
        f"languages/{code}.toml": shipped.read_text("utf-8") if shipped else filled("language.toml"),
    }
    return found if shipped else {**found, "languages/contexts/zoo.toml": _context(code)}


def _web(code: str) -> str | None:
    """The registry of the miniature web of a language, None where none ships. How it is crawled is no matter of the project's."""
    path = files("yisang.quickstart") / "webs" / code / "sites.toml"
    if not path.is_file():
        return None
    before, _, after = path.read_text("utf-8").partition("[crawl]")
    return before + "[[site]]" + after.partition("[[site]]")[2]


def _has_exams(code: str) -> bool:
    try:
        Exams(items=1, seed=1, language=code)
    except UsageError:
        return False
    return True


def _context(code: str) -> str:
    """The words that worded tasks about animals need, all in comments."""
    table = shipped_table("zoo")
    lines = [
        f"# What worded tasks count, for [tasks] of {code}.toml: a word for every animal and place, or none at all.",
        f"# [words.{code}]",
        f'# name = "{UNFILLED} {table["words"]["en"]["name"]}"',
        f'# total = "{UNFILLED} {table["words"]["en"]["total"]}"',
    ]
    for part in ("kinds", "places"):
        lines += [f"# [{part}]"]
        lines += [f'# {key} = {{ {code} = "{UNFILLED} {words["en"]}" }}' for key, words in table[part].items()]
    return "\n".join(lines) + "\n"


def project_text(project: Project) -> str:
    """What was written, and what to do next, for a person."""
    folder, code = project.folder, project.code
    lines = [f"A project for {project.name}:", *(f"  {folder / file}" for file in project.written), "", "Next:"]
    lines += [
        f"  export {FOLDER_VARIABLE}={folder / 'languages'}",
        "      so that its language file is the one that is read",
    ]
    if project.unfilled:
        lines += [
            f"  fill in {folder / 'languages' / code}.toml",
            f"      {project.unfilled} lines with {UNFILLED}; the commands below name the first that is left",
        ]
    pages, teacher = "pages", ""
    if project.web:
        pages, teacher = f"out/quickstart-{code}-web", " --set taught_by=scripted"
        lines += [
            f"  yisang quickstart --language {code} --out out/quickstart-{code} --no-student",
            f"      crawls the small {project.name} web that ships with yisang, and shows what a run leaves",
        ]
    else:
        lines += [
            f"  add the sites that you may use to {folder / 'sites.toml'}",
            f"  yisang crawl {folder / 'sites.toml'} --out pages",
            "      crawls them into WARC files",
        ]
    lines += [
        f"  yisang plan {folder / 'recipe.py'} --inputs {pages}{teacher}",
        "      every step with its constants",
        f"  yisang run {folder / 'recipe.py'} --inputs {pages}{teacher} --out out/{code}",
        "      the corpus",
    ]
    return "\n".join(lines)
