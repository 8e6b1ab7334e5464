"""What a user installs: a wheel built from the committed tree holds the data that the code reads, and nothing twice."""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The files of a wheel built from `git archive`."""
    if not (ROOT / ".git").exists():
        pytest.skip("no git repository here, so there is no committed tree to build from")
    folder = tmp_path_factory.mktemp("package")
    archive = subprocess.run(["git", "archive", "HEAD"], cwd=ROOT, capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extractall(folder / "tree", filter="data")
    # Without isolation: a build environment of its own would be fetched from an index.
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation",
         "--disable-pip-version-check", "-w", str(folder), str(folder / "tree")],
        check=True,
    )  # fmt: skip
    (wheel,) = folder.glob("*.whl")
    return set(zipfile.ZipFile(wheel).namelist())


def test_the_wheel_holds_every_module_and_data_file_of_the_package(names: set[str]) -> None:
    listed = subprocess.run(
        ["git", "ls-tree", "-r", "--name-only", "HEAD", "yisang/"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    assert len(listed) > 60
    assert {"yisang/languages/ko.toml", "yisang/filters/licences.toml", "yisang/quickstart/webs/ko/sites.toml"} <= set(
        listed
    )
    assert set(listed) <= names


def test_the_links_at_the_root_are_not_packages_of_their_own(names: set[str]) -> None:
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"yisang"}


def test_no_file_names_a_machine_or_a_package_host() -> None:
    pattern = r"(/root/|/home/[a-z]+/|/work/|file:///opt|files\.pythonhosted|pypi\.org/simple)"
    found = subprocess.run(
        ["git", "grep", "-nIE", pattern, "HEAD", "--", ".", ":!tests/test_package.py"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 1, found.stdout
