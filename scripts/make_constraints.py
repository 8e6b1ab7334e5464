"""Writes constraints.txt: one version of each package that every extra of pyproject.toml resolves to, on Python 3.11 and
3.12, Linux and macOS. Run by `make constraints`; needs `uv` on the PATH.

A lock file would hold the hosts of whoever made it, so the resolution is exported and only names and versions kept.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PLATFORMS = (("linux", "x86_64"), ("linux", "aarch64"), ("darwin", "arm64"))
HEAD = """\
# Versions that install together for every extra, on Python 3.11 and 3.12. Made by `make constraints`.
#   pip install -c constraints.txt -e '.[train]'
"""


def resolve() -> str:
    environments = [f"sys_platform == '{system}' and platform_machine == '{machine}'" for system, machine in PLATFORMS]
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder)
        text = (ROOT / "pyproject.toml").read_text()
        (project / "pyproject.toml").write_text(f"{text}\n[tool.uv]\nenvironments = {environments!r}\n")
        (project / "yisang").mkdir()
        shutil.copy(ROOT / "yisang" / "__init__.py", project / "yisang")
        for name in ("README.md", "LICENSE"):
            (project / name).touch()
        subprocess.run(["uv", "lock", "--quiet"], cwd=project, check=True)
        command = "uv export --quiet --all-extras --no-hashes --no-emit-project --no-annotate --no-header"
        return subprocess.run(command.split(), cwd=project, check=True, capture_output=True, text=True).stdout


def constraints(exported: str) -> list[str]:
    """`name==version` lines, sorted. Where Pythons or platforms got several versions, the lowest, which suits all."""
    versions: dict[str, set[str]] = {}
    for line in exported.splitlines():
        match = re.match(r"([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^ ;]+)", line)
        if match:
            versions.setdefault(match[1].lower(), set()).add(match[2])
    return [f"{name}=={min(found, key=_number)}" for name, found in sorted(versions.items())]


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))


if __name__ == "__main__":
    lines = constraints(resolve())
    (ROOT / "constraints.txt").write_text(HEAD + "\n".join(lines) + "\n")
    sys.stdout.write(f"constraints.txt: {len(lines)} packages\n")
