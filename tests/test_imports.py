"""The package's arrow: which part may import which (a part imports only what stands before it)."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "yisang"
ORDER = (
    ("errors",),
    ("signals", "processes"),
    ("records", "storage"),
    ("languages",),
    ("tasks", "sandbox"),
    ("grading",),
    ("filters",),
    ("teachers",),
    ("sources",),
    ("pipelines",),
    ("evals",),
    ("sft", "rl"),
    ("quickstart", "doctor"),
    ("commands",),
    ("cli",),
    ("__main__",),
)
ONLY_IN = {
    "scrapy": {"sources/crawl/"},
    "twisted": {"sources/crawl/"},
    "apache_beam": {"pipelines/runners/beam.py"},
    "datatrove": {"pipelines/runners/datatrove.py"},
    "torch": {*(f"teachers/engines/{name}.py" for name in ("transformers", "batch", "cache")), "sft/"},
}
"""Heavy packages, and the modules, or folders (with a slash), that may import them."""


def imports(path: Path) -> set[tuple[str, int]]:
    """(module, line) of every import of a file, wherever it stands in it."""
    found: set[tuple[str, int]] = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            found |= {(alias.name, node.lineno) for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}:{node.lineno} imports relatively"
            found.add((node.module or "", node.lineno))
            if node.module == "yisang":
                parts = {part for parts in ORDER for part in parts}
                found |= {(f"yisang.{alias.name}", node.lineno) for alias in node.names if alias.name in parts}
    return found


def backward(source: str, imported: str) -> bool:
    """Whether `imported` stands behind `source` in ORDER; both are names such as "filters" or "cli"."""
    place = {part: number for number, parts in enumerate(ORDER) for part in parts}
    assert source in place, f"yisang/{source} has no place in ORDER; add it"
    assert imported in place, f"yisang/{imported} has no place in ORDER; add it"
    return place[imported] > place[source] or (place[imported] == place[source] and imported != source)


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def part_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_arrow_runs_backwards(path: Path) -> None:
    part = part_of(path)
    if part == "__init__":
        return
    wrong = [
        f"{path.relative_to(PACKAGE)}:{line} imports {name}"
        for name, line in imports(path)
        if name.startswith("yisang.") and backward(part, name.split(".")[1])
    ]
    assert not wrong


@pytest.mark.parametrize("package", ONLY_IN)
def test_heavy_packages_stand_behind_one_module(package: str) -> None:
    wrong = [
        f"{relative}:{line}"
        for path in modules()
        if not (relative := path.relative_to(PACKAGE).as_posix()).startswith(tuple(ONLY_IN[package]))
        for name, line in imports(path)
        if name.split(".")[0] == package
    ]
    assert not wrong


def test_the_order_would_catch_a_filter_that_knows_a_runner() -> None:
    assert backward("filters", "pipelines")
    assert backward("records", "languages")
    assert not backward("cli", "pipelines")


@pytest.mark.parametrize(
    "module", ["yisang.cli", "yisang.records", "yisang.filters", "yisang.sources", "yisang.teachers"]
)
def test_the_core_loads_no_engine(module: str) -> None:
    """`yisang --help` must be there at once, also where torch is not installed."""
    heavy = ["torch", "apache_beam", "datatrove", "transformers", "datasets", "trafilatura", "pandas"]
    code = f"import sys, {module}; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_four_links_at_the_root_lead_into_the_package() -> None:
    for name in ("pipelines", "filters", "teachers", "sft"):
        link = PACKAGE.parent / name
        assert link.is_symlink()
        assert link.resolve() == PACKAGE / name
