"""The documentation runs: its commands, its Python, its walk-through, its links. What it quotes is what is printed.

A page is read from top to bottom, in a folder where `yisang quickstart` has just been run:

    ```sh, ```console   each line that begins with `yisang` (`$ yisang` in console) is run and must exit with 0
    ```console          the lines below a command must stand in its output, in this order; … stands for anything
    ```python           is executed; ```pycon is a doctest; ```diff is applied to a file
    # name.py           as the first line of a python or diff block: the file that it is, or changes
    <!-- file: NAME -->       before a block that can hold no comment: the same
    <!-- not run: WHY -->     before a block: its commands are left alone
    <!-- exits N: WHY -->     before a block: its commands must exit with N
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "yisang"
READMES = ("README.md", "README.ko.md")
PAGES = (
    "README.md",
    "docs/recipes.md",
    "docs/runs.md",
    "docs/tasks.md",
    "docs/grading.md",
    "docs/checks.md",
    "docs/decontamination.md",
    "docs/exams.md",
    "docs/translation.md",
    "docs/crawl.md",
    "docs/registry.md",
    "docs/purge.md",
    "docs/yi_sang.md",
    "docs/new-language.md",
    "docs/evals.md",
    "docs/sft.md",
    "docs/mini.md",
    "docs/teachers.md",
)
"""Pages whose blocks are run. README.ko.md has the blocks of README.md, which a test of its own compares."""
LEAST_COMMANDS = {
    "README.md": 6,
    "docs/recipes.md": 5,
    "docs/runs.md": 7,
    "docs/tasks.md": 3,
    "docs/grading.md": 1,
    "docs/checks.md": 0,
    "docs/decontamination.md": 2,
    "docs/exams.md": 0,
    "docs/translation.md": 2,
    "docs/crawl.md": 3,
    "docs/registry.md": 0,
    "docs/purge.md": 3,
    "docs/yi_sang.md": 6,
    "docs/new-language.md": 7,
    "docs/evals.md": 5,
    "docs/sft.md": 2,
    "docs/mini.md": 0,
    "docs/teachers.md": 1,
}
LEAST_PYTHON = {
    "README.md": 0,
    "docs/recipes.md": 1,
    "docs/runs.md": 4,
    "docs/tasks.md": 1,
    "docs/grading.md": 1,
    "docs/checks.md": 5,
    "docs/decontamination.md": 1,
    "docs/exams.md": 4,
    "docs/translation.md": 2,
    "docs/crawl.md": 1,
    "docs/registry.md": 2,
    "docs/purge.md": 1,
    "docs/yi_sang.md": 2,
    "docs/new-language.md": 2,
    "docs/evals.md": 3,
    "docs/sft.md": 0,
    "docs/mini.md": 0,
    "docs/teachers.md": 3,
}
"""So that a pattern that no longer matches anything is noticed."""
SHELLS = ("sh", "console", "bash", "shell")


@dataclass(frozen=True)
class Block:
    """A fenced block. name: the file that it is or changes. skip: why it is not run. code: of its commands."""

    page: str
    line: int
    language: str
    text: str
    name: str = ""
    skip: str = ""
    code: int = 0

    @property
    def where(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def commands(self) -> list[tuple[str, list[str]]]:
        """Each command that is to be run, with the lines quoted below it."""
        found: list[tuple[str, list[str]]] = []
        for line in self.text.splitlines() if self.language in SHELLS else ():
            command = line.removeprefix("$ ") if self.language == "console" else line
            if (line.startswith("$ ") or self.language != "console") and command.strip():
                found.append((re.sub(r"\s+#.*", "", command).strip(), []))
            elif found and self.language == "console":
                found[-1][1].append(line)
        return found


def blocks(page: str) -> list[Block]:
    """The fenced blocks of a page, with the comments that stand before them."""
    found: list[Block] = []
    lines = (ROOT / page).read_text("utf-8").splitlines()
    note, number = "", 0
    while number < len(lines):
        line = lines[number]
        if line.startswith("<!--"):
            note = line
        elif line.startswith("```"):
            end = lines.index("```", number + 1)
            found.append(_block(page, number + 1, line[3:].strip(), "\n".join(lines[number + 1 : end]) + "\n", note))
            note, number = "", end
        elif line.strip():
            note = ""
        number += 1
    return found


def _block(page: str, line: int, language: str, text: str, note: str) -> Block:
    name, skip, code = "", "", 0
    if note:
        match = re.fullmatch(r"<!-- (?:file: (\S+)|not run: (\S.*)|exits (\d): \S.*) -->", note)
        assert match, f"{page}:{line}: what is meant by {note}?"
        name, skip, code = match[1] or "", match[2] or "", int(match[3] or 0)
    if language in ("python", "diff") and (match := re.match(r"# (\S+\.\w+)\n", text)):
        name = match[1]
        # The line belongs to the page; a file begins below it.
        text = text[match.end() :]
    return Block(page, line, language, text, name, skip, code)


def environment(**more: str) -> dict[str, str]:
    """Ours, as plain as a newcomer's: no colours, no width, no place for stored models."""
    plain = {"NO_COLOR": "1", "COLUMNS": "120", "PYTHONUTF8": "1", "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    return {**os.environ, **plain, **more}


def call(arguments: list[str], folder: Path, **more: str) -> subprocess.CompletedProcess[str]:
    # One stream, as a person sees it.
    return subprocess.run(
        arguments, cwd=folder, env=environment(**more), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, timeout=900, check=False,
    )  # fmt: skip


def yisang(command: str, folder: Path, **more: str) -> subprocess.CompletedProcess[str]:
    assert not re.search(r"[|;&<>`$\\\"']", command), f"{command!r} needs a shell; docs should not"
    return call([sys.executable, "-m", *command.split()], folder, **more)


def missing_line(quoted: list[str], printed: str) -> str | None:
    """The first quoted line that does not stand in the output behind the ones before it; None if all do."""
    lines = iter(printed.splitlines())
    for line in quoted:
        pattern = ".*".join(re.escape(part) for part in line.rstrip().split("…"))
        if line.strip(" …") and not any(re.fullmatch(pattern, seen.rstrip()) for seen in lines):
            return line
    return None


def apply_diff(text: str, diff: str, where: str) -> str:
    """`text` with the one change that a diff block shows; its context must stand there exactly once."""
    lines = diff.splitlines()
    assert all(line[:1] in (" ", "+", "-") for line in lines), f"{where}: a diff line begins with ' ', '+' or '-'"
    old = "".join(f"{line[1:]}\n" for line in lines if line[0] != "+")
    new = "".join(f"{line[1:]}\n" for line in lines if line[0] != "-")
    count = text.count(old)
    assert count == 1, f"{where}: what the diff starts from stands {count} times in the file:\n{old}"
    return text.replace(old, new)


@dataclass(frozen=True)
class Quickstart:
    """A run of the quickstart, and a folder for each page with what it left.

    README.md runs where the quickstart ran: inputs are known by their path, so a copy would count as another run.
    """

    folders: dict[str, Path]
    printed: str


@pytest.fixture(scope="module")
def quickstart(tmp_path_factory: pytest.TempPathFactory) -> Quickstart:
    """What `make quickstart` leaves, without its installation."""
    folders = {page: tmp_path_factory.mktemp("page") / "here" for page in (*PAGES, "CONTRIBUTING.md")}
    first, *others = folders.values()
    first.mkdir()
    # The student takes minutes; tests/quickstart/test_student.py has it.
    done = yisang("yisang quickstart --out out/quickstart --no-student", first)
    assert done.returncode == 0, done.stdout
    for folder in others:
        shutil.copytree(first, folder)
    return Quickstart(folders, done.stdout)


@pytest.fixture(scope="module")
def outcomes(quickstart: Quickstart) -> Iterator[dict[str, Future[tuple[int, int]]]]:
    """A few pages at once, as most of each is one process that starts. All at once, a check with a limit of time would run into it."""
    with ThreadPoolExecutor(4) as pool:
        yield {page: pool.submit(run_page, page, quickstart) for page in PAGES}


def run_page(page: str, quickstart: Quickstart) -> tuple[int, int]:
    """Runs a page from top to bottom and returns how many commands and how many Python blocks it had."""
    folder = quickstart.folders[page]
    commands = pythons = 0
    for block in blocks(page):
        if block.language == "diff":
            path = folder / block.name
            path.write_text(apply_diff(path.read_text("utf-8"), block.text, block.where), "utf-8")
        elif block.name:
            (folder / block.name).write_text(block.text, "utf-8")
        elif block.language in ("python", "pycon"):
            file = folder / f"block_{block.line}.{'py' if block.language == 'python' else 'txt'}"
            file.write_text(block.text, "utf-8")
            how = [] if block.language == "python" else ["-m", "doctest"]
            done = call([sys.executable, *how, str(file)], folder)
            assert done.returncode == 0, f"{block.where}:\n{done.stdout}"
            pythons += 1
        for command, quoted in block.commands:
            if command == "make quickstart" and quoted:
                printed = quickstart.printed
            elif command.startswith("yisang ") and not block.skip:
                done = yisang(command, folder)
                assert done.returncode == block.code, f"{block.where}: {command}: exit {done.returncode}\n{done.stdout}"
                printed = done.stdout
                commands += 1
            else:
                continue
            lost = missing_line(quoted, printed)
            assert lost is None, f"{block.where}: {command} does not print\n{lost}\nIt prints\n{printed}"
    return commands, pythons


@pytest.mark.parametrize("page", PAGES)
def test_every_command_and_block_of_a_page_runs_and_prints_what_it_quotes(
    page: str, outcomes: dict[str, Future[tuple[int, int]]]
):
    commands, pythons = outcomes[page].result()
    assert commands >= LEAST_COMMANDS[page]
    assert pythons >= LEAST_PYTHON[page]


def test_both_engines_count_the_same_as_the_readme_says(
    quickstart: Quickstart, outcomes: dict[str, Future[tuple[int, int]]]
):
    outcomes["README.md"].result()
    out = quickstart.folders["README.md"] / "out"
    books = [json.loads((out / run / "books.json").read_text()) for run in ("quickstart", "beam")]
    assert books[0]["steps"] == books[1]["steps"]
    assert len(books[0]["steps"]) > 10


def test_every_page_is_known():
    pages = {path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md")}
    assert pages == {page for page in PAGES if page.startswith("docs/")}


def test_both_readmes_have_the_same_commands_and_quote_the_same_output():
    shown = [[block.commands for block in blocks(page) if block.language in SHELLS] for page in READMES]
    assert shown[0] == shown[1]
    assert sum(map(len, shown[0])) >= 10


def test_both_readmes_have_the_same_sections_and_links():
    texts = [(ROOT / page).read_text("utf-8") for page in READMES]
    levels = [re.findall(r"^(#+) ", text, re.M) for text in texts]
    assert levels[0] == levels[1]
    targets = [sorted({target for target in links(text) if target not in READMES}) for text in texts]
    assert targets[0] == targets[1]
    bullets = [len(re.findall(r"^- ", text, re.M)) for text in texts]
    assert bullets[0] == bullets[1]


# The walk-through of CONTRIBUTING.md


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package with the walk-through's blocks in it."""
    copy = tmp_path_factory.mktemp("walk")
    shutil.copytree(PACKAGE, copy / "yisang", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "CHANGELOG.md"):
        shutil.copy(ROOT / name, copy / name)
    files = diffs = 0
    for block in blocks("CONTRIBUTING.md"):
        if block.language == "diff":
            path = copy / block.name
            path.write_text(apply_diff(path.read_text("utf-8"), block.text, block.where), "utf-8")
            diffs += 1
        elif block.name:
            path = copy / block.name
            assert not path.exists(), f"{block.where}: {block.name} is there already; choose another example"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, "utf-8")
            files += 1
    assert (files, diffs) >= (2, 4)
    return copy


def new_files(copy: Path) -> list[str]:
    names = [block.name for block in blocks("CONTRIBUTING.md") if block.name.endswith(".py")]
    assert {name.split("/")[0] for name in names} == {"yisang", "tests"}
    return list(dict.fromkeys(names))


def test_the_walk_through_passes_its_own_test(changed: Path):
    (test,) = [name for name in new_files(changed) if name.startswith("tests/")]
    done = call(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", test], changed, PYTHONPATH=str(changed)
    )
    assert done.returncode == 0, done.stdout
    assert int(re.findall(r"(\d+) passed", done.stdout)[0]) >= 6


def test_the_walk_through_passes_ruff_and_mypy(changed: Path):
    names = new_files(changed)
    for check in (["check"], ["format", "--check"]):
        done = call([sys.executable, "-m", "ruff", *check, *names], changed)
        assert done.returncode == 0, done.stdout
    code = [name for name in names if name.startswith("yisang/")]
    # What they import is checked in its own place; here its signatures are enough.
    done = call([sys.executable, "-m", "mypy", "--follow-imports=silent", *code], changed)
    assert done.returncode == 0, done.stdout


def test_the_walk_through_stands_in_the_recipe(changed: Path, quickstart: Quickstart):
    pages = quickstart.folders["CONTRIBUTING.md"] / "out" / "quickstart-web"
    done = yisang(f"yisang plan quickstart --inputs {pages}", changed, PYTHONPATH=str(changed))
    assert done.returncode == 0, done.stdout
    assert "max_url_share: filters.url_share.MaxUrlShare(high=0.5)" in done.stdout


# Links, targets and names


def markdown() -> list[Path]:
    found = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    assert len(found) >= 6
    return sorted(found)


def links(text: str) -> list[str]:
    """The targets of the links outside of code."""
    prose = re.sub(r"^```.*?^```$|`[^`\n]*`", "", text, flags=re.M | re.S)
    return re.findall(r"\]\(([^)\s]+)\)", prose)


def slugs(path: Path) -> set[str]:
    """The anchors of a page, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```$", "", path.read_text("utf-8"), flags=re.M | re.S), re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def broken_links(path: Path) -> list[str]:
    broken = []
    for target in links(path.read_text("utf-8")):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        other = (path.parent / name).resolve() if name else path
        if not other.exists() or (anchor and anchor not in slugs(other)):
            broken.append(target)
    return broken


def test_every_relative_link_leads_somewhere():
    assert {path.name: broken for path in markdown() if (broken := broken_links(path))} == {}
    assert sum(len(links(path.read_text("utf-8"))) for path in markdown()) >= 20


def test_a_link_that_leads_nowhere_would_be_seen(tmp_path: Path):
    page = tmp_path / "page.md"
    page.write_text("# A title\n[a](#a-title) [b](#no-title) [c](gone.md) [d](https://a.example/) `[e](code)`\n")
    assert broken_links(page) == ["#no-title", "gone.md"]


def test_every_make_target_that_is_named_exists():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M))
    named = {
        target
        for path in markdown()
        for target in re.findall(r"(?:^|[`$ ] ?)make ([a-z]+)(?=[`\s]*(?:$|`|#|  ))", path.read_text("utf-8"), re.M)
    }
    assert {"quickstart", "test", "check"} <= named <= targets


def test_the_quickstart_of_the_makefile_is_the_one_that_runs_here():
    assert "yisang quickstart --out out/quickstart" in (ROOT / "Makefile").read_text()


@pytest.mark.parametrize("page", READMES)
def test_the_layout_names_what_there_is_and_leaves_out_no_part(page: str):
    (text,) = [block.text for block in blocks(page) if block.language == "text" and "records.py" in block.text]
    named: set[str] = set()
    for line in text.splitlines():
        folder = "yisang/" if line.startswith("  ") else ""
        named |= {folder + name.rstrip("/") for name in re.split(r"\s{2,}", line.strip())[0].split()}
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []
    parts = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()}
    assert {name.removeprefix("yisang/") for name in named} >= parts


# The checks themselves can fail


def test_a_line_that_is_not_printed_would_be_seen():
    printed = "head\nlicence 184  0  136\nkept by licence: A 89\n"
    assert missing_line(["head", "…", "licence 184  …  136", "kept by licence: A 89"], printed) is None
    assert missing_line(["licence 184  0  137"], printed) == "licence 184  0  137"
    assert missing_line(["kept by licence: A 89", "head"], printed) == "head"
    assert missing_line(["licence"], printed) == "licence"


def test_a_diff_that_no_longer_fits_would_be_seen():
    assert apply_diff("a\nb\nc\n", " a\n-b\n+B\n", "here") == "a\nB\nc\n"
    with pytest.raises(AssertionError, match="stands 0 times"):
        apply_diff("a\nc\n", " a\n-b\n+B\n", "here")


def test_an_unknown_mark_would_be_seen():
    for note in ("<!-- not run -->", "<!-- not run: -->", "<!-- exit 2 -->"):
        with pytest.raises(AssertionError, match="what is meant"):
            _block("page.md", 1, "sh", "yisang show\n", note)


def test_commands_are_found_in_both_kinds_of_block():
    shell = _block("page.md", 1, "sh", "yisang show out  # the books\n\nmake test\n", "")
    assert shell.commands == [("yisang show out", []), ("make test", [])]
    console = _block(
        "page.md", 1, "console", "$ yisang show out\nyisang: no\n$ yisang doctor\n", "<!-- exits 2: why -->"
    )
    assert console.commands == [("yisang show out", ["yisang: no"]), ("yisang doctor", [])]
    assert (console.code, shell.code) == (2, 0)
