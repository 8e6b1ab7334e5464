"""`yisang doctor`: what works here, what does not, and the command that mends it."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
HIDE = """
import sys
hidden = {hidden!r}
class Hidden:  # as a finder that does not find some packages, which is how missing ones look
    def __init__(self, finder):
        self.finder = finder
    def __getattr__(self, name):
        return getattr(self.finder, name)
    def find_spec(self, name, *rest):
        return None if name.split(".")[0] in hidden else self.finder.find_spec(name, *rest)
sys.meta_path[:] = [Hidden(finder) for finder in sys.meta_path]
from yisang.cli import main
sys.exit(main({arguments!r}))
"""
Findings = dict[tuple[str, str], dict[str, Any]]


def doctor(
    *arguments: str, hidden: tuple[str, ...] = (), path: Path | None = None, programs: Path | None = None
) -> str:
    """Runs the command where the packages `hidden` are not installed, or the only programs are those of a folder.

    It must end well, whatever it finds.
    """
    code = HIDE.format(hidden=hidden, arguments=["doctor", *arguments])
    start = f"import sys; sys.path.insert(0, {str(path)!r})\n" if path else ""
    environment = os.environ | ({"PATH": str(programs)} if programs else {})
    done = subprocess.run(
        [sys.executable, "-c", start + code], capture_output=True, text=True, cwd=ROOT, env=environment
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout


def findings(*, hidden: tuple[str, ...] = (), path: Path | None = None, programs: Path | None = None) -> Findings:
    listed = json.loads(doctor("--json", hidden=hidden, path=path, programs=programs))
    found = {(item["what"], item["name"]): item for item in listed}
    assert len(found) == len(listed)
    for item in listed:
        assert set(item) == {"what", "name", "works", "says", "mend"}
        assert bool(item["mend"]) == (not item["works"]), item
    return found


@pytest.fixture(scope="module")
def whole() -> Findings:
    return findings()


@pytest.fixture(scope="module")
def bare() -> Findings:
    """A machine without torch and what else an extra brings."""
    return findings(hidden=("torch", "trl", "vllm", "ray", "gcsfs", "hypothesis"))


def test_it_looks_at_python_the_runners_the_engines_the_extras_and_the_sandbox(whole: Findings) -> None:
    assert {"local", "beam"} == {name for what, name in whole if what == "runner"}
    assert {"echo", "openai", "transformers"} <= {name for what, name in whole if what == "engine"}
    assert {"train", "serve", "vllm", "ray", "gcp", "test"} == {name for what, name in whole if what == "extra"}
    assert [name for what, name in whole if what == "sandbox"] == ["bubblewrap"]
    assert whole["python", platform.python_version()]["works"]


def test_what_the_tests_run_on_works(whole: Findings) -> None:
    for name in (("runner", "local"), ("runner", "beam"), ("engine", "echo"), ("engine", "openai"), ("extra", "test")):
        assert whole[name]["works"], whole[name]


def test_a_missing_extra_is_named_with_the_command_that_installs_it(bare: Findings) -> None:
    for extra, missing in (("train", ["torch", "trl"]), ("vllm", ["vllm"]), ("ray", ["ray"]), ("test", ["hypothesis"])):
        finding = bare["extra", extra]
        assert not finding["works"]
        head, _, names = finding["says"].partition(": ")
        assert head == "not installed"
        assert set(missing) <= set(names.split(", "))
        assert "pytest" not in names
        assert "pip install" in finding["mend"]
        assert f"[{extra}]" in finding["mend"]
    assert bare["runner", "local"]["works"]


def test_an_engine_without_its_packages_does_not_work_and_the_others_do(bare: Findings) -> None:
    finding = bare["engine", "transformers"]
    assert not finding["works"]
    assert "torch is not installed" in finding["says"]
    assert finding["mend"] == bare["extra", "train"]["mend"]
    assert bare["engine", "echo"]["works"]
    assert bare["engine", "openai"]["works"]


def test_a_missing_core_package_breaks_what_needs_it_and_nothing_else(whole: Findings) -> None:
    needs = {"datatrove": ("runner", "local"), "apache_beam": ("runner", "beam"), "aiohttp": ("engine", "openai")}
    found = findings(hidden=tuple(needs))
    for package, broken in needs.items():
        assert not found[broken]["works"]
        assert package in found[broken]["says"]
        assert "pip install" in found[broken]["mend"]
    broken_now = {name for name in whole if whole[name]["works"] and not found[name]["works"]}
    assert broken_now == set(needs.values())


def test_a_package_that_is_there_and_cannot_be_imported_does_not_work(tmp_path: Path) -> None:
    """As torch is, on a machine without the CUDA library that it was built for."""
    for name in ("torch", "aiohttp"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise ImportError('libcudart.so.13: cannot open')\n")
    found = findings(path=tmp_path)
    for engine in ("transformers", "openai"):
        assert not found["engine", engine]["works"], found["engine", engine]
        assert "libcudart.so.13" in found["engine", engine]["says"]
    assert found["engine", "echo"]["works"]


def need_bubblewrap() -> None:
    if shutil.which("bwrap") is None and not os.environ.get("YISANG_REQUIRE_PARTS"):
        pytest.skip("bubblewrap is not installed (apt-get install bubblewrap)")


def test_the_sandbox_is_really_tried(whole: Findings) -> None:
    need_bubblewrap()
    assert whole["sandbox", "bubblewrap"]["works"], whole["sandbox", "bubblewrap"]


def test_without_bubblewrap_the_sandbox_does_not_work_and_the_package_is_named(tmp_path: Path) -> None:
    finding = findings(programs=tmp_path)["sandbox", "bubblewrap"]
    assert not finding["works"]
    assert finding["says"] == "the program bwrap is not installed"
    assert finding["mend"] == "apt-get install bubblewrap"


def test_where_namespaces_are_refused_the_reason_is_told(tmp_path: Path) -> None:
    programs = imitate_bwrap(
        tmp_path, "echo 'bwrap: Creating new namespace failed: Operation not permitted' >&2; exit 1"
    )
    finding = findings(programs=programs)["sandbox", "bubblewrap"]
    assert not finding["works"]
    assert "Creating new namespace failed: Operation not permitted" in finding["says"]
    assert finding["mend"]


def test_a_sandbox_that_lets_something_out_does_not_work_and_says_what(tmp_path: Path) -> None:
    need_bubblewrap()
    skip = 'for word; do shift; [ "$word" = --unshare-net ] || set -- "$@" "$word"; done'
    less = f'{skip}; exec {shutil.which("bwrap")} "$@"'
    finding = findings(programs=imitate_bwrap(tmp_path, less))["sandbox", "bubblewrap"]
    assert not finding["works"]
    assert finding["says"] == "the network of the host could be reached"
    assert "do not run model-written code" in finding["mend"]


def imitate_bwrap(folder: Path, script: str) -> Path:
    """A folder of programs in which bwrap is something else."""
    for name in ("setpriv", "choom"):
        if found := shutil.which(name):
            (folder / name).symlink_to(found)
    (folder / "bwrap").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "bwrap").chmod(0o755)
    return folder


def test_a_person_reads_one_line_each_and_the_mending_command_below() -> None:
    lines = doctor(hidden=("torch", "ray")).splitlines()
    heads = [line for line in lines if not line.startswith(" ")]
    assert [line.split()[:2] for line in heads][:3] == [
        ["python", platform.python_version()], ["runner", "local"], ["runner", "beam"],
    ]  # fmt: skip
    assert all(" works" in line or " does not work" in line for line in heads)
    for name in ("ray", "train", "transformers"):
        (number,) = (number for number, line in enumerate(lines) if line.split()[1:2] == [name])
        assert "does not work (" in lines[number]
        assert "not installed" in lines[number]
        assert lines[number + 1].strip().startswith("mend: pip install ")
    (local,) = (number for number, line in enumerate(lines) if line.split()[1:2] == ["local"])
    assert lines[local].endswith("works")
    assert "mend" not in lines[local + 1]
