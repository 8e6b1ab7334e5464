"""One run on several machines: each shard is done by one of them, whoever comes, goes or dies."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from recipes_for_tests.helpers import MARK, Command, kept_records, left_behind, run_command, until

from yisang.cli import main
from yisang.errors import UsageError
from yisang.pipelines.runners import slurm
from yisang.pipelines.runners.claims import age_of, await_leavers, claim
from yisang.pipelines.runners.nodes import join, lead

HERE = Path(__file__).parent
KILLABLE = HERE / "recipes_for_tests" / "killable.py"
Starting = Callable[..., Command]
LONG_AGO = 1000.0


def start_killable(starting: Starting, out: Path, on: str, workers: int = 1, **environment: str) -> Command:
    return starting(KILLABLE, out, on, workers, PYTHONPATH=str(HERE), **environment)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("uninterrupted") / "run"
    code, said = run_command(KILLABLE, out, "here", PYTHONPATH=str(HERE))
    assert code == 0, said
    return out


def same_as(out: Path, other: Path) -> None:
    assert (out / "books.json").read_bytes() == (other / "books.json").read_bytes()
    assert kept_records(out) == kept_records(other)
    assert left_behind(out) == left_behind(other)
    assert {path.name for path in out.iterdir()} - {"slurm"} == {path.name for path in other.iterdir()}


def backdate(path: Path) -> None:
    """As if nobody had touched it for long."""
    then = path.stat().st_mtime - LONG_AGO
    os.utime(path, (then, then))


# Claims


def test_a_claim_is_one_holders_until_it_is_given_back(tmp_path: Path) -> None:
    lease = claim(tmp_path / "claims", "1-2")
    assert lease is not None
    with lease:
        assert claim(tmp_path / "claims", "1-2") is None
        assert claim(tmp_path / "claims", "1-3") is not None
    with claim(tmp_path / "claims", "1-2") or pytest.fail("not given back"):
        pass


def test_a_claim_that_nobody_touches_any_more_goes_to_one_of_those_who_want_it(tmp_path: Path) -> None:
    (tmp_path / "1-2.0").write_text("gone:1")
    for number in range(20):
        backdate(tmp_path / f"1-2.{number}")
        together = threading.Barrier(6)
        got: list[object] = []

        def want(together: threading.Barrier = together, got: list[object] = got) -> None:
            together.wait()
            got.append(claim(tmp_path, "1-2"))

        threads = [threading.Thread(target=want) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sum(lease is not None for lease in got) == 1


def test_a_holder_that_works_long_keeps_its_claim(tmp_path: Path) -> None:
    path = tmp_path / "1-2.0"
    lease = claim(tmp_path, "1-2", beat=0.01)
    assert lease is not None
    with lease:
        backdate(path)
        until(lambda: (age_of(path) or 0.0) < LONG_AGO / 2, "a touch")
        assert claim(tmp_path, "1-2") is None


def test_a_new_leader_waits_for_those_who_still_work_for_the_old_one(tmp_path: Path) -> None:
    said: list[str] = []
    await_leavers(tmp_path / "none", said.append)
    (tmp_path / "0-1.0").write_text("gone:1")
    backdate(tmp_path / "0-1.0")
    await_leavers(tmp_path, said.append)
    assert said == []
    lease = claim(tmp_path, "0-2")
    assert lease is not None
    waiting = threading.Thread(target=await_leavers, args=(tmp_path, said.append))
    with lease:
        waiting.start()
        until(lambda: said, "that it waits")
        assert waiting.is_alive()
    waiting.join()
    assert said == ["waiting for machines that still work for the run that was stopped"]


# Machines; here they are processes that share nothing but the folder


@pytest.fixture
def joining(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts other machines' `yisang join`; what is left of them is killed when the test ends."""
    started: list[subprocess.Popen[str]] = []

    def begin(out: Path, workers: int = 1, **environment: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "yisang", "join", str(out), "--workers", str(workers)]
        process = subprocess.Popen(
            command,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")]),
                **environment,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def said_by(process: subprocess.Popen[str]) -> tuple[int, str]:
    said, _ = process.communicate(timeout=90)
    return process.returncode, said


def test_a_machine_alone_gives_what_every_runner_gives(starting: Starting, tmp_path: Path, uninterrupted: Path) -> None:
    code, said = start_killable(starting, tmp_path / "run", "nodes", workers=2).wait()
    assert code == 0, said
    same_as(tmp_path / "run", uninterrupted)


def test_a_second_machine_does_what_the_first_has_no_hand_for(
    starting: Starting, joining: Callable[..., subprocess.Popen[str]], tmp_path: Path, uninterrupted: Path
) -> None:
    out, hold = tmp_path / "run", tmp_path / "hold"
    first = start_killable(starting, out, "nodes", YISANG_TEST_HOLD=str(hold))
    until(Path(f"{hold}.held").exists, "the record in the middle")
    done = first.commits()  # there will be no more of its own
    second = joining(out)
    until(lambda: first.commits() > done or second.poll() is not None, "a shard of the second's")
    hold.touch()
    code, said = first.wait()
    assert code == 0, said
    assert said_by(second)[0] == 0
    same_as(out, uninterrupted)


def test_a_machine_that_dies_leaves_its_shard_to_another(
    starting: Starting, joining: Callable[..., subprocess.Popen[str]], tmp_path: Path, uninterrupted: Path
) -> None:
    out, once = tmp_path / "run", tmp_path / "once"
    # The machine that comes to the record first is killed there; the leader has no process of its own that could.
    first = starting(KILLABLE, out, "leaderless", 1, PYTHONPATH=str(HERE))
    dying = joining(out, YISANG_TEST_ONCE=str(once), YISANG_TEST_ACT="sigkill")
    assert said_by(dying)[0] == -signal.SIGKILL
    (left,) = (path for path in (out / "claims").iterdir() if path.read_text().endswith(f":{dying.pid}"))
    backdate(left)
    assert said_by(joining(out))[0] == 0
    code, said = first.wait()
    assert code == 0, said
    same_as(out, uninterrupted)


def test_machines_stop_when_their_leader_is_gone(
    starting: Starting, joining: Callable[..., subprocess.Popen[str]], tmp_path: Path, uninterrupted: Path
) -> None:
    out, hold = tmp_path / "run", tmp_path / "hold"
    first = starting(KILLABLE, out, "leaderless", 1, PYTHONPATH=str(HERE))
    second = joining(out, YISANG_TEST_HOLD=str(hold))
    until(Path(f"{hold}.held").exists, "the record in the middle")
    first.process.kill()
    first.process.wait()
    backdate(out / "work" / "leader")
    code, said = said_by(second)
    assert code == 3, said
    code, said = start_killable(starting, out, "nodes").wait()
    assert code == 0, said
    same_as(out, uninterrupted)


def test_machines_may_stand_in_other_folders_than_their_leader(
    starting: Starting,
    joining: Callable[..., subprocess.Popen[str]],
    tmp_path: Path,
    uninterrupted: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
    monkeypatch.chdir(tmp_path / "a")
    first = starting(KILLABLE, Path("out"), "leaderless", 1, PYTHONPATH=str(HERE))
    monkeypatch.chdir(tmp_path / "b")
    second = joining(Path("../a/out"))
    code, said = first.wait()
    assert code == 0, said
    assert said_by(second)[0] == 0
    same_as(tmp_path / "a" / "out", uninterrupted)
    assert list((tmp_path / "b").iterdir()) == []


def test_a_leader_that_stood_still_takes_its_workers_back(
    starting: Starting, tmp_path: Path, uninterrupted: Path
) -> None:
    out, hold = tmp_path / "run", tmp_path / "hold"
    command = start_killable(starting, out, "nodes", YISANG_TEST_HOLD=str(hold))
    until(Path(f"{hold}.held").exists, "the record in the middle")
    command.process.send_signal(signal.SIGSTOP)
    backdate(out / "work" / "leader")
    until(lambda: not command.others(), "the end of its workers, which think that it is gone")
    command.process.send_signal(signal.SIGCONT)
    hold.touch()
    code, said = command.wait()
    assert code == 0, said
    same_as(out, uninterrupted)


def test_a_shard_that_fails_ends_the_run_with_its_words(starting: Starting, tmp_path: Path) -> None:
    recipe = tmp_path / "failing.py"
    recipe.write_text(
        "from recipes_for_tests.helpers import Texts, recipe\nfrom yisang.pipelines.steps import Each\n"
        "def fails(record):\n    raise ValueError('no good')\n"
        "def build():\n    return recipe(Texts(4), Each(fails), max_dead=0.5)\n"
    )
    code, said = starting(recipe, tmp_path / "run", "nodes", 1, PYTHONPATH=str(HERE)).wait()
    assert code == 1
    assert "Step fails failed on 4 of 4 records" in said


def test_a_member_that_is_killed_with_the_leaders_machine_ends_the_run(starting: Starting, tmp_path: Path) -> None:
    once = tmp_path / "once"
    command = start_killable(starting, tmp_path / "run", "nodes", YISANG_TEST_ONCE=str(once), YISANG_TEST_ACT="sigkill")
    code, said = command.wait()
    assert code == 1
    assert "likely for lack of memory" in said or "was killed" in said


def test_nobody_to_join_is_told(tmp_path: Path, uninterrupted: Path) -> None:
    with pytest.raises(UsageError, match=r"Nobody leads a run in .* --on nodes"):
        join(str(tmp_path / "none"), 1, start=0)
    said: list[str] = []
    join(str(uninterrupted), 1, start=0, say=said.append)
    assert said == [f"The run in {uninterrupted} is finished."]
    with pytest.raises(UsageError, match="as a path"):
        join("memory://run", 1)
    with pytest.raises(UsageError, match="--workers is 0"):
        join(str(tmp_path), 0)


# Ray


def test_two_nodes_of_a_ray_cluster_give_what_every_runner_gives(
    starting: Starting, tmp_path: Path, uninterrupted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'yisang[ray]'")
    from ray.cluster_utils import Cluster

    # Workers inherit what the nodes were started with.
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    node = {"num_cpus": 1, "object_store_memory": 80 << 20, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=node)
    try:
        cluster.add_node(num_cpus=1, object_store_memory=80 << 20)
        cluster.wait_for_nodes()
        out = tmp_path / "run"
        code, said = start_killable(starting, out, "ray", RAY_ADDRESS=cluster.address).wait(240)
        assert code == 0, said
    finally:
        cluster.shutdown()
    same_as(out, uninterrupted)


# Slurm: its commands are stood in for by scripts that do what its manual says


@pytest.fixture
def slurm_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """sbatch keeps the script; srun starts it on two machines, passes SIGTERM on, and ends both when one ends badly; scontrol
    notes what it was told."""
    folder = tmp_path / "slurm-bin"
    folder.mkdir()
    scripts = {
        "sbatch": f'#!/bin/bash\n[ "$1" = --parsable ] || exit 2\ncp "$2" {folder}/script && echo "7;cluster"\n',
        "srun": (
            '#!/bin/bash\n[ "$1" = --kill-on-bad-exit=1 ] || exit 2\nshift\n'
            'SLURM_NODEID=0 "$@" & a=$!\nSLURM_NODEID=1 "$@" & b=$!\ntrap "kill -TERM $a $b" TERM\n'
            "worst=0\nwhile kill -0 $a 2>/dev/null || kill -0 $b 2>/dev/null; do\n  wait -n $a $b; code=$?\n"
            "  [ $code -gt 0 ] && [ $code -lt 127 ] && worst=$code && kill -TERM $a $b 2>/dev/null\ndone\nexit $worst\n"
        ),
        "scontrol": f'#!/bin/bash\necho "$@" >> {folder}/told\n',
    }
    for name, text in scripts.items():
        (folder / name).write_text(text)
        (folder / name).chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", os.pathsep.join([str(folder), os.environ["PATH"]]))
    return folder


def batch(folder: Path, **environment: str) -> Command:
    """The job, as a machine of the cluster would start it."""
    mark = os.urandom(8).hex()
    process = subprocess.Popen(
        ["bash", str(folder / "script")],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")]), "SLURM_JOB_ID": "7", MARK: mark, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )  # fmt: skip
    return Command(process, mark, folder)


def submitted(out: Path, capsys: pytest.CaptureFixture[str], *options: str) -> str:
    sys.path.insert(0, str(HERE))
    try:
        code = main(["run", str(KILLABLE), "--out", str(out), "--on", "slurm", "--workers", "1", "--", *options])
    finally:
        sys.path.remove(str(HERE))
    captured = capsys.readouterr()
    assert code == 0, captured.err
    return captured.out


def test_a_job_does_the_run_on_two_machines(
    slurm_here: Path, tmp_path: Path, uninterrupted: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run of two"
    assert "Job 7 is in the queue" in submitted(out, capsys, "--nodes=2", "--time=1:00:00")
    text = (slurm_here / "script").read_text()
    assert "#SBATCH --nodes=2\n#SBATCH --time=1:00:00\n" in text
    assert f'#SBATCH --output="{out}/slurm/%j.log"\n' in text
    job = batch(slurm_here)
    code, said = job.wait()
    assert code == 0, said
    job.all_gone()
    same_as(out, uninterrupted)
    assert not (slurm_here / "told").exists()


def test_a_job_whose_time_is_over_stops_and_goes_back_into_the_queue(
    slurm_here: Path, tmp_path: Path, uninterrupted: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, hold = tmp_path / "run", tmp_path / "hold"
    submitted(out, capsys)
    job = batch(slurm_here, YISANG_TEST_HOLD=str(hold))
    until(Path(f"{hold}.held").exists, "the record in the middle")
    job.process.send_signal(signal.SIGUSR1)
    code, said = job.wait()
    assert code == 0, said
    assert "back into the queue" in said
    assert (slurm_here / "told").read_text() == "requeue 7\n"
    job.all_gone()
    assert not (out / "manifest.json").exists()
    code, said = batch(slurm_here).wait()
    assert code == 0, said
    assert "phases are stored already" in said
    same_as(out, uninterrupted)


def test_a_job_that_is_cancelled_stops_and_stays_out_of_the_queue(
    slurm_here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hold = tmp_path / "hold"
    submitted(tmp_path / "run", capsys)
    job = batch(slurm_here, YISANG_TEST_HOLD=str(hold))
    until(Path(f"{hold}.held").exists, "the record in the middle")
    job.process.send_signal(signal.SIGTERM)
    code, said = job.wait()
    assert code == 3, said
    job.all_gone()
    assert not (slurm_here / "told").exists()


def test_a_job_can_be_looked_at_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = submitted(tmp_path / "run", capsys, "--nodes=4", "--dry-run")
    assert text.startswith("#!/bin/bash\n#SBATCH --job-name=yisang-killable\n")
    assert "--requeue" in text
    assert "--dry-run" not in text
    assert not (tmp_path / "run").exists()
    checked = subprocess.run(["bash", "-n"], input=text, text=True, capture_output=True, check=False)
    assert checked.returncode == 0, checked.stderr


def test_options_that_are_the_runners_own_and_a_missing_sbatch_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match="sets --requeue itself"):
        slurm.submit("r", str(tmp_path), ["run"], 1, ["--requeue"])
    with pytest.raises(UsageError, match="--time=24:00:00"):
        slurm.submit("r", str(tmp_path), ["run"], 1, ["--time", "24:00:00"])
    for wrong in (["--workers", "0"], ["--out", "memory://run"], ["--teacher-option", "api_key=SECRET"]):
        given = ["run", "verified_tasks", "--out", str(tmp_path / "y"), "--on", "slurm", *wrong, "--", "--dry-run"]
        assert main(given) == 2
        assert not (tmp_path / "y" / "slurm").exists()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert shutil.which("sbatch") is None
    with pytest.raises(UsageError, match="no sbatch here"):
        slurm.submit("r", str(tmp_path / "x"), ["run"], 1, [])
    assert not (tmp_path / "x").exists()


def test_a_folder_that_not_all_machines_see_as_a_path_is_refused(tmp_path: Path) -> None:
    from recipes_for_tests.helpers import Texts, recipe

    from yisang.pipelines.compile import compile_recipe
    from yisang.pipelines.execution import Job
    from yisang.pipelines.phases import Setting

    job = Job(compile_recipe(recipe(Texts(1))), Setting("memory://shared"))
    with pytest.raises(UsageError, match="all see as a path"):
        lead(job.payload(), 1, workers=1)
