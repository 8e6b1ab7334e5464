"""The sandbox holds what runs in it, tells how it ended, and leaves nothing behind; without its parts it runs nothing."""

from __future__ import annotations

import os
import pickle
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from yisang import sandbox as package
from yisang.errors import UsageError
from yisang.sandbox import MIB, RunResult, Sandbox, SandboxUnavailable, box, command, run_python, syscalls, unavailable
from yisang.sandbox.probes import escapes

ROOT = Path(__file__).parents[1]
MARK = f"yisang-sandbox-test-{uuid.uuid4().hex}"
PATIENT = 30.0
"""A limit that is not the point of a test; loaded machines are slow."""

if shutil.which("bwrap") is None and not os.environ.get("YISANG_REQUIRE_PARTS"):
    pytest.skip("bubblewrap is not installed (apt-get install bubblewrap)", allow_module_level=True)


def until(condition: Callable[[], bool], why: str, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, why
        time.sleep(0.02)


def ours() -> set[int]:
    """The processes that belong to a box of these tests: the mark stands in their environment or command line."""
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "environ").read_bytes() + (entry / "cmdline").read_bytes()
            except (FileNotFoundError, ProcessLookupError, PermissionError):
                continue
            if MARK.encode() in words:
                found.add(int(entry.name))
    return found


@pytest.fixture(scope="module", autouse=True)
def _boxes_are_marked() -> Iterator[None]:
    command.ENVIRONMENT["MARK"] = MARK
    yield
    del command.ENVIRONMENT["MARK"]
    until(lambda: not ours(), "a process of a box is left after all tests")


@pytest.fixture(params=["cold", "warm"], scope="module")
def sandbox(request: pytest.FixtureRequest, _boxes_are_marked: None) -> Iterator[Sandbox]:
    with Sandbox(timeout=PATIENT, warm=request.param == "warm") as opened:
        yield opened


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, object]]:
    """What of the host an attack aims at."""
    secret = tmp_path_factory.mktemp("host") / "secret.txt"
    secret.write_text("a secret of the host")
    secret.chmod(0o644)
    with socket.create_server(("127.0.0.1", 0)) as server, subprocess.Popen(["sleep", "600"]) as bystander:
        yield {
            "SECRET": str(secret),
            "PORT": server.getsockname()[1],
            "BYSTANDER": bystander.pid,
            "PARENT": os.getpid(),
            "HOME": str(Path.home()),
        }
        assert bystander.poll() is None, "an attack ended a process of the host"
        bystander.kill()
    assert secret.read_text() == "a secret of the host"


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    """No process, no file in the shared /tmp, no open handle. An idle box may stay, or be replaced by one such."""
    before, files, handles = len(ours()), set(os.listdir("/tmp")), len(os.listdir("/proc/self/fd"))
    yield
    until(lambda: len(ours()) <= max(before, RESTING), "a process of a run is left")
    assert not [name for name in set(os.listdir("/tmp")) - files if name in LEAVES]
    assert len(os.listdir("/proc/self/fd")) <= handles + RESTING_HANDLES


RESTING = 4
"""Processes of an idle warm box: the program, and bubblewrap once or twice with a wrapper each."""
RESTING_HANDLES = 3
"""Of an idle box: its socket, its process, its error output."""
LEAVES = {"left", "trace", "link"}
"""Names of the files that the runs of these tests make in their /tmp."""


def check(result: RunResult, status: str, stdout: str | None = None) -> None:
    assert result.status == status, result
    if stdout is not None:
        assert result.stdout == stdout, result


# What a run is


def test_a_run_is_a_script_with_its_standard_input(sandbox: Sandbox) -> None:
    result = sandbox.run("print(int(input()) * 7, '한글')", stdin="6\n")
    assert result == RunResult("success", "42 한글\n", "", False, False, 0, None, result.seconds)
    assert 0 < result.seconds < PATIENT


def test_run_python_is_one_run_in_a_box_of_its_own() -> None:
    check(run_python("print(input())", stdin="한글", timeout=PATIENT), "success", "한글\n")


@pytest.mark.parametrize(
    ("code", "exit_code", "stderr"),
    [
        ("import sys; sys.exit()", 0, ""),
        ("import sys; sys.exit(3)", 3, ""),
        ("import sys; sys.exit(-1)", 255, ""),
        ("import sys; sys.exit('why')", 1, "why\n"),
        ("exit(4)", 4, ""),
        ("import os; os._exit(5)", 5, ""),
        (
            "def f():\n    return 1 / 0\nf()",
            1,
            'Traceback (most recent call last):\n  File "main.py", line 3, in <module>\n    f()\n'
            '  File "main.py", line 2, in f\n    return 1 / 0\n           ~~^~~\nZeroDivisionError: division by zero\n',
        ),
        ("def f(:", 1, '  File "main.py", line 1\n    def f(:\n          ^\nSyntaxError: invalid syntax\n'),
    ],
)
def test_it_ends_as_python_would(sandbox: Sandbox, code: str, exit_code: int, stderr: str) -> None:
    result = sandbox.run(code)
    check(result, "error" if exit_code else "success", "")
    assert (result.exit_code, result.signal, result.stderr) == (exit_code, None, stderr)
    # The same by Python itself, so that the table above is not only what the sandbox happens to do.
    done = subprocess.run([sys.executable, "-"], input=code, capture_output=True, text=True)
    assert done.returncode == exit_code
    assert done.stderr.splitlines()[-1:] == stderr.splitlines()[-1:]


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("x = 1\0", "null byte"),
        ("print('\ud800')", "SyntaxError"),
        ("def f(): return f()\nf()", "RecursionError"),
        ("x = [0] * (10 * 2**30)", "MemoryError"),
        ("x = bytearray(600 * 2**20)", "MemoryError"),  # never touched, so only the limit of addresses sees it
        ("(" * 100_000, "SyntaxError"),
    ],
)
def test_strange_code_is_the_codes_own_error(sandbox: Sandbox, code: str, says: str) -> None:
    result = sandbox.run(code)
    check(result, "error")
    assert says in result.stderr


@pytest.mark.parametrize(
    ("code", "number"),
    [
        ("import os; os.kill(os.getpid(), 15)", 15),
        ("import os; os.abort()", 6),
        ("import ctypes; ctypes.string_at(0)", 11),
    ],
)
def test_a_signal_is_told(sandbox: Sandbox, code: str, number: int) -> None:
    result = sandbox.run(code)
    check(result, "error")
    assert (result.signal, result.exit_code, result.says) == (number, None, f"ended by {signal.Signals(number).name}")


def test_exit_functions_threads_and_open_files_come_to_their_end(sandbox: Sandbox) -> None:
    code = """
import atexit, threading, time
atexit.register(print, "exit function", flush=True)
threading.Thread(target=lambda: (time.sleep(0.05), print("thread", flush=True))).start()
late = open(1, "w", closefd=False)
late.write("unflushed")
"""
    check(sandbox.run(code), "success", "thread\nexit function\nunflushed")


def test_the_code_is_the_main_module(sandbox: Sandbox) -> None:
    code = "import pickle\nclass A: pass\nif __name__ == '__main__': print(type(pickle.loads(pickle.dumps(A()))) is A)"
    check(sandbox.run(code), "success", "True\n")


def test_sets_come_in_the_same_order_each_time() -> None:
    assert len({run_python("print({'a', 'b', 'c', 'd', 'e'})", timeout=PATIENT).stdout for _ in range(4)}) == 1


def test_packages_of_this_environment_can_be_imported(sandbox: Sandbox) -> None:
    check(sandbox.run("import msgspec; print(msgspec.json.decode(b'[1]'))"), "success", "[1]\n")


# Streams


def test_outputs_are_cut_at_the_limit_and_say_so() -> None:
    code = "import sys; sys.stdout.write('a' * 1000); sys.stderr.write('b' * {})"
    with Sandbox(output=1000, timeout=PATIENT) as small:
        result = small.run(code.format(1001))
        assert (result.stdout, result.stdout_truncated) == ("a" * 1000, False)
        assert (result.stderr, result.stderr_truncated) == ("b" * 1000, True)
        check(result, "success")


def test_ten_gigabytes_of_output_are_held_to_the_limit(sandbox: Sandbox) -> None:
    result = sandbox.run("import os\nfor _ in range(10_000): os.write(1, b'x' * 2**20)", timeout=2.0)
    assert result.status in ("success", "timeout")
    assert result.stdout == "x" * sandbox.output
    assert result.stdout_truncated


def test_output_that_is_no_utf_8_is_kept_as_far_as_it_goes(sandbox: Sandbox) -> None:
    check(
        sandbox.run(r"import os; os.write(1, b'a\xff\xfeb\xed\xa0\x80')"), "success", "a\ufffd\ufffdb\ufffd\ufffd\ufffd"
    )


def test_giant_input_is_read_or_ignored(sandbox: Sandbox) -> None:
    giant = "0123456789abcdef" * (2 * MIB)
    check(sandbox.run("import sys; print(len(sys.stdin.read()))", stdin=giant), "success", f"{len(giant)}\n")
    check(sandbox.run("print('ignored')", stdin=giant), "success", "ignored\n")
    check(sandbox.run("import os, time; os.close(0); print('closed')", stdin=giant), "success", "closed\n")


HANDLES = """
import os
for number in range(3, 65):
    for act in (lambda: os.write(number, b'{"idle": true}'), lambda: os.fstat(number)):
        try:
            act()
        except OSError:
            continue
        print(number)
"""


def test_no_handle_is_open_but_the_three(sandbox: Sandbox) -> None:
    check(sandbox.run(HANDLES), "success", "")


@pytest.mark.parametrize("code", ["import sys; sys.stdout.close(); sys.stderr.close()", "import os; os.close(1)"])
def test_code_may_close_its_streams(sandbox: Sandbox, code: str) -> None:
    check(sandbox.run(code), "success", "")


def test_a_print_into_a_closed_stream_is_an_error(sandbox: Sandbox) -> None:
    result = sandbox.run("import os; os.close(1); print('lost')")
    check(result, "error", "")
    assert result.exit_code == 120


def test_a_child_that_holds_the_streams_does_not_hold_the_run(sandbox: Sandbox) -> None:
    code = "import os, time\nprint('done', flush=True)\nif not os.fork():\n    time.sleep(600)"
    check(sandbox.run(code), "success", "done\n")


# Limits


@pytest.mark.parametrize(
    "code",
    [
        "import time; time.sleep(600)",
        "while True: pass",
        # At most 256 processes, so that the tests do no harm where the limit is broken.
        "import os\nn = 0\nwhile True:\n    try: n += n < 8 and os.fork() >= 0\n    except OSError: pass",
        "import signal, time\nfor n in range(1, 65):\n    try: signal.signal(n, signal.SIG_IGN)\n"
        "    except (OSError, ValueError): pass\ntime.sleep(600)",
        "import threading, time\nthreading.Thread(target=time.sleep, args=(600,)).start()",
        "input()\nimport time; time.sleep(600)",
    ],
    ids=["sleep", "busy", "fork bomb", "deaf", "thread", "half read"],
)
def test_the_wall_limit_ends_everything(sandbox: Sandbox, code: str) -> None:
    result = sandbox.run(f"print('begun', flush=True)\n{code}", stdin="1\n" * MIB, timeout=0.5)
    check(result, "timeout")
    assert result.stdout.startswith("begun\n")
    assert 0.5 <= result.seconds < PATIENT
    assert (result.exit_code, result.signal) == (None, None)


def test_the_limit_of_cpu_time_is_a_timeout(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(box.Limits, "cpu", 1)
    for code in ("while True: pass", "import signal; signal.signal(signal.SIGXCPU, signal.SIG_IGN)\nwhile True: pass"):
        result = sandbox.run(code)
        check(result, "timeout")
        assert result.signal in (signal.SIGXCPU, signal.SIGKILL)


MANY = """
import os, time
held = []
for _ in range(8):
    if not os.fork():
        held = bytearray(os.urandom(2**16)) * (40 * 16)
        time.sleep({seconds})
        os._exit(0)
for _ in range(8):
    os.wait()
print("done")
"""
"""Eight processes that hold 40 MiB each."""


def check_memory_is_summed(warm: bool) -> None:
    with Sandbox(memory=100 * MIB, timeout=PATIENT, warm=warm) as small:
        result = small.run(MANY.format(seconds=600))
        check(result, "error", "")
        assert result.says == f"its processes held more than {100 * MIB} bytes together"


@pytest.mark.parametrize("warm", [False, True])
def test_memory_is_summed_over_the_processes_of_a_run(warm: bool) -> None:
    check_memory_is_summed(warm)


def test_without_the_sum_many_processes_get_any_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(box, "held_below", lambda pid, limit: 0)
    with Sandbox(memory=100 * MIB, timeout=PATIENT) as small:
        check(small.run(MANY.format(seconds=0.2)), "success", "done\n")


def test_memory_that_forks_share_counts_once(sandbox: Sandbox) -> None:
    code = "held = b'x' * (60 * 2**20)\n" + MANY.replace("held = bytearray(os.urandom(2**16)) * (40 * 16)", "pass")
    with Sandbox(memory=200 * MIB, timeout=PATIENT, warm=sandbox.warm) as small:
        check(small.run(code.format(seconds=0.3)), "success", "done\n")


def test_processes_are_counted(sandbox: Sandbox) -> None:
    code = """
import os, time
made = 0
try:
    while made < 40:
        if not os.fork():
            time.sleep(600)
        made += 1
except BlockingIOError:
    pass
print(made)
"""
    check(sandbox.run(code), "success", f"{sandbox.processes - 1}\n")


def test_ended_children_that_nobody_waits_for_are_not_counted(sandbox: Sandbox) -> None:
    code = """
import os, time
for _ in range(60):
    while True:
        try:
            child = os.fork()
            break
        except BlockingIOError:
            time.sleep(0.01)
    if not child:
        if not os.fork():
            os._exit(0)
        os._exit(0)
    os.waitpid(child, 0)
print("done")
"""
    check(sandbox.run(code), "success", "done\n")


def test_the_disk_is_small_and_so_is_the_number_of_files(sandbox: Sandbox) -> None:
    full = f"print(sum(open('/tmp/' + n, 'wb').write(b'x' * {sandbox.disk // 2}) for n in 'abc'))"
    result = sandbox.run(full)
    check(result, "error", "")
    assert "No space left" in result.stderr
    result = sandbox.run("n = 0\nwhile True:\n    open(f'/tmp/{n}', 'w').close()\n    n += 1")
    check(result, "error")
    assert result.says == f"it made more than {box.FILES} files"


# Attacks. Each prints "held" where an OSError stopped it.

ATTACKS = {
    "host file": "open(SECRET).read()",
    "passwd": "open('/etc/passwd').read()",
    "home": "import os; assert not set(os.listdir(HOME)) - {'.pyenv', '.local'}; raise OSError",
    "proc": "open('/proc/self/environ').read()",
    "proc of the host": "open(f'/proc/{PARENT}/cmdline').read()",
    "kernel setting": "open('/proc/sys/kernel/core_pattern', 'a')",
    "sys": "open('/sys/kernel/notes', 'rb').read(1)",
    "link": "import os; os.symlink(SECRET, '/tmp/link'); open('/tmp/link').read()",
    "network": "import socket; socket.create_connection(('127.0.0.1', PORT), 5)",
    "datagram": "import socket; socket.socket(2, 2).sendto(b'x', ('192.0.2.1', 53))",
    "host of a virtual machine": "import socket; socket.socket(40, 1)",
    "netlink": "import socket; socket.socket(16, 3)",
    "kill a bystander": "import os; os.kill(BYSTANDER, 9)",
    "write outside": """
import os
for folder in ('/', '/usr', '/usr/lib', '/dev', '/dev/shm', '/etc', '/packages', '/packages/0', HOME):
    try:
        open(os.path.join(folder, 'left'), 'w')
    except OSError:
        continue
    raise SystemExit(folder)
open('/inside.py', 'a')""",
    "device": "import os; os.mknod('/tmp/left', 0o20666, os.makedev(1, 1))",
    "kernel log": "import ctypes; n = libc.syslog if 0 else libc.klogctl(3, ctypes.create_string_buffer(99), 99); bad(n)",
    "become root": "import os; os.setuid(0)",
    "setuid program": "import subprocess; subprocess.run(['su', '-c', 'true'], check=True)",
    "trace pid 1": "bad(libc.ptrace(16, 1, 0, 0))",
    "be traced": "bad(libc.ptrace(0, 0, 0, 0))",
    "read the memory of pid 1": "import ctypes; bad(libc.process_vm_readv(1, None, 0, None, 0, 0))",
    "user namespace": "bad(libc.unshare(0x10000000))",
    "mount namespace": "bad(libc.unshare(0x20000))",
    "clone into a user namespace": "import os; bad(libc.syscall(CLONE, 0x10000000 | 17, 0, 0, 0, 0)) or os._exit(7)",
    "mount": "bad(libc.mount(b'none', b'/tmp', b'tmpfs', 0, None))",
    "unmount": "bad(libc.umount2(b'/tmp', 2))",
    "chroot": "import os; os.chroot('/tmp')",
    "shared memory segment": "bad(libc.shmget(0, 4096, 0o1600))",
    "memory file": "import os; os.memfd_create('x')",
    "message queue": "bad(libc.msgget(0, 0o1600))",
    "key": "import ctypes; bad(libc.syscall(ctypes.c_long(KEYCTL), 0, -3, 1))",
    "more than the limits": "import resource; resource.setrlimit(resource.RLIMIT_NPROC, (999, 999))",
    "priority": "import os; os.nice(-5)",
    "limit of pid 1": "import resource; resource.prlimit(1, resource.RLIMIT_CPU, (0, 0))",
    "pace of pid 1": "import os; os.sched_setscheduler(1, os.SCHED_IDLE, os.sched_param(0))",
    "priority of pid 1": "import os; os.setpriority(os.PRIO_PROCESS, 1, 19)",
}
TRY = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
def bad(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), 'refused')
try:
    exec(ATTACK)
except (OSError, ValueError) as error:
    print('held', flush=True)
except Exception as error:
    if type(error).__name__ != 'CalledProcessError':
        raise
    print('held')
"""


def attack(code: str, host: dict[str, object]) -> str:
    column = list(syscalls._MACHINES).index(os.uname().machine)
    names = host | {"ATTACK": code, "CLONE": syscalls.clone_number(), "KEYCTL": syscalls._DENIED["keyctl"][column]}
    return "".join(f"{name} = {value!r}\n" for name, value in names.items()) + TRY


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_held(sandbox: Sandbox, host: dict[str, object], name: str) -> None:
    check(sandbox.run(attack(ATTACKS[name], host)), "success", "held\n")


def test_nothing_of_the_environment_is_seen(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "of the host")
    with Sandbox(timeout=PATIENT, warm=sandbox.warm) as opened:
        result = opened.run("import os, sys; print(sorted(os.environ), sys.argv, sys.orig_argv)")
    assert result.stdout == f"{sorted([*command.ENVIRONMENT, 'PWD'])} ['main.py'] ['main.py']\n"


@pytest.mark.parametrize(
    "code",
    [
        "os.kill(-1, 9)",
        "os.kill(0, 15)",
        "os.kill(os.getppid(), 9)",
        "[os.kill(1, number) for number in range(1, 65)]",
        "os.killpg(1, 9)",
        "[os.kill(number, 9) for number in range(3, 400)]",
    ],
)
def test_signals_reach_nothing_but_the_run(sandbox: Sandbox, code: str) -> None:
    before = ours() if sandbox.warm else set()
    result = sandbox.run(f"import os\ntry:\n    {code}\nexcept OSError:\n    pass\nprint('on')")
    assert (result.status, result.stdout, result.signal) in (("success", "on\n", None), ("error", "", 15)), result
    check(sandbox.run("print('next')"), "success", "next\n")
    assert before <= ours(), "the box is another than before"


def test_a_daemon_does_not_outlive_its_run(sandbox: Sandbox) -> None:
    code = """
import os, time
if not os.fork():
    os.setsid()
    if not os.fork():
        for handle in range(3):
            os.close(handle)
        time.sleep(600)
    os._exit(0)
os.wait()
print("left")
"""
    before = len(ours())
    check(sandbox.run(code), "success", "left\n")
    # At once, and not some time later: the result comes when all is gone.
    assert len(ours()) <= max(before, 0 if not sandbox.warm else RESTING)


def test_a_run_sees_nothing_of_the_one_before(sandbox: Sandbox) -> None:
    look = """
import os, sys, builtins, socket
print(os.listdir('/tmp'), os.getcwd(), 'TRACE' in os.environ, 'trace' in sys.modules, hasattr(builtins, 'trace'))
socket.create_server(('', 8000)).close()
"""
    clean = "[] /tmp False False False\n"
    check(sandbox.run(look), "success", clean)
    trace = """
import os, sys, builtins, time, socket
os.makedirs('/tmp/trace/deep')
open('/tmp/left', 'w').write('x')
os.environ['TRACE'] = '1'
sys.modules['trace'] = builtins.trace = builtins.print = builtins.len = 1
os.chdir('/usr')
os.chmod('/tmp', 0)
if not os.fork():
    server = socket.create_server(('', 8000))
    time.sleep(600)
"""
    check(sandbox.run(trace), "success", "")
    check(sandbox.run(look), "success", clean)


def test_runs_at_the_same_time_see_nothing_of_each_other() -> None:
    code = """
import os, socket, time
open(f'/tmp/{N}', 'w').close()
server = socket.create_server(('', 8000))
time.sleep(0.1)
print(N, os.listdir('/tmp'), os.getpid())
"""
    with Sandbox(timeout=PATIENT, warm=True) as sandbox, ThreadPoolExecutor(4) as threads:
        results = list(threads.map(lambda n: sandbox.run(f"N = {n}\n{code}").stdout, range(12)))
    assert results == [f"{n} ['{n}'] 2\n" for n in range(12)]


# The twins: a box that lacks one of its parts, and what then gets out


def without(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Boxes are started without these neighbouring words of the command."""
    whole = command.command

    def less(*, warm: bool, disk: int, control: int) -> list[str]:
        given = whole(warm=warm, disk=disk, control=control)
        places = [n for n in range(len(given)) if given[n : n + len(words)] == words]
        assert places, f"{words} are no part of the command"
        return given[: places[-1]] + given[places[-1] + len(words) :]

    monkeypatch.setattr(box, "command", less)


def without_the_filter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(box, "filter_program", lambda: syscalls._op(syscalls._RETURN, syscalls._ALLOW))


def changed_inside(old: str, new: str, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    text = command.INSIDE.read_text()
    assert old in text
    changed = folder / "inside.py"
    changed.write_text(text.replace(old, new))
    monkeypatch.setattr(command, "INSIDE", changed)


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (["--unshare-net"], "network"),
        (["--unshare-net"], "datagram"),
        (["--remount-ro", "/"], "write outside"),
        (["--remount-ro", "/dev"], "write outside"),
    ],
)
def test_without_a_flag_an_attack_gets_out(
    words: list[str], name: str, host: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    without(words, monkeypatch)
    assert run_python(attack(ATTACKS[name], host), timeout=PATIENT).stdout != "held\n"


def test_with_more_of_the_disk_shown_it_is_read(host: dict[str, object], monkeypatch: pytest.MonkeyPatch) -> None:
    system = command._system
    monkeypatch.setattr(command, "_system", lambda: [*system(), "--ro-bind", "/etc/passwd", "/etc/passwd"])
    check(run_python(attack(ATTACKS["passwd"], host), timeout=PATIENT), "success", "")


@pytest.mark.parametrize(
    "name",
    [
        "shared memory segment",
        "memory file",
        "message queue",
        "netlink",
        "be traced",
        "limit of pid 1",
    ],
)
def test_without_the_filter_a_call_gets_through(
    name: str, host: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    without_the_filter(monkeypatch)
    assert "held" not in run_python(attack(ATTACKS[name], host), timeout=PATIENT).stdout


@pytest.mark.parametrize("warm", [False, True])
def test_without_the_filter_the_box_still_cannot_be_traced(
    warm: bool, host: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    without_the_filter(monkeypatch)
    with Sandbox(warm=warm, timeout=PATIENT) as sandbox:
        check(sandbox.run(attack(ATTACKS["trace pid 1"], host)), "success", "held\n")


def test_user_namespaces_are_closed_twice(host: dict[str, object], monkeypatch: pytest.MonkeyPatch) -> None:
    code = attack(ATTACKS["user namespace"], host)
    without_the_filter(monkeypatch)
    check(run_python(code, timeout=PATIENT), "success", "held\n")
    without(["--disable-userns"], monkeypatch)
    check(run_python(code, timeout=PATIENT), "success", "")


def test_without_its_limit_processes_are_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = box.Limits.of_kernel

    def less(limits: box.Limits, space: int, own: int) -> dict[str, tuple[int, int]]:
        return {name: value for name, value in whole(limits, space, own).items() if name != "NPROC"}

    monkeypatch.setattr(box.Limits, "of_kernel", less)
    code = "import os, time\nfor _ in range(40):\n    if not os.fork(): time.sleep(600)\nprint('forked')"
    check(run_python(code, timeout=PATIENT), "success", "forked\n")


def test_with_its_handles_open_code_could_speak_for_the_box(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    changed_inside("os.closerange(3, 1 << 20)", "pass", monkeypatch, tmp_path)
    result = run_python(HANDLES, timeout=PATIENT)
    assert (result.status, result.stdout) != ("success", "")


def test_with_a_handler_left_a_signal_would_end_the_box(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    # Python sets this handler itself, unless it was started with Ctrl-C ignored, as in the background of a shell.
    kept = "signal.signal(signal.SIGINT, signal.default_int_handler)"
    changed_inside("signal.signal(signal.SIGINT, signal.SIG_DFL)", kept, monkeypatch, tmp_path)
    code = "import os, time; os.kill(1, 2); time.sleep(600)"
    check(run_python(code, timeout=PATIENT), "infra_error")


def test_without_a_tmp_of_its_own_a_warm_run_sees_the_files_of_another(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    mount = 'check(libc.mount(b"tmpfs", b"/tmp", b"tmpfs", ctypes.c_ulong(_MS_NOSUID | _MS_NODEV), options))'
    changed_inside(mount, "pass", monkeypatch, tmp_path)
    with Sandbox(warm=True, timeout=PATIENT) as sandbox:
        sandbox.run("open('/tmp/left', 'w').close()")
        check(sandbox.run("import os; print(os.listdir('/tmp'))"), "success", "['left']\n")


def test_a_fault_of_ours_before_the_code_begins_is_not_the_codes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    changed_inside('os.write(begin, b"1")', 'raise OSError("ours")', monkeypatch, tmp_path)
    result = run_python("print('never')", timeout=PATIENT)
    check(result, "infra_error", "")
    assert "before the code began" in result.says
    assert "ours" in result.says


def check_draws_differ(sandbox: Sandbox) -> None:
    drawn = [sandbox.run("import numpy; print(numpy.random.rand())").stdout for _ in range(2)]
    assert drawn[0] != drawn[1]


def test_preloaded_numpy_draws_anew_in_each_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with Sandbox(warm=True, preload=("numpy.random", "fractions"), timeout=PATIENT) as sandbox:
        check(sandbox.run("import sys; print('fractions' in sys.modules)"), "success", "True\n")
        check_draws_differ(sandbox)
    changed_inside("numpy_random.seed()", "pass", monkeypatch, tmp_path)
    with Sandbox(warm=True, preload=("numpy.random",), timeout=PATIENT) as sandbox, pytest.raises(AssertionError):
        check_draws_differ(sandbox)


# Boxes that die, threads, forks


def kill_boxes() -> int:
    """Kills every box from outside, and not the code in it, whose death the box would report; how many processes."""
    killed = 0
    for pid in ours():
        try:
            if Path(f"/proc/{pid}/comm").read_text() == "bwrap\n":
                os.kill(pid, signal.SIGKILL)
                killed += 1
        except (FileNotFoundError, ProcessLookupError):
            continue
    return killed


def test_runs_after_killed_boxes_get_others() -> None:
    with Sandbox(warm=True, timeout=PATIENT) as sandbox, ThreadPoolExecutor(3) as threads:
        together = threading.Barrier(3)
        list(threads.map(lambda _: (together.wait(), sandbox.run("import time; time.sleep(0.3)")), range(3)))
        assert len(sandbox._idle) == 3
        kill_boxes()
        until(lambda: not ours(), "a killed box goes on")
        check(sandbox.run("print(2)"), "success", "2\n")


@pytest.mark.parametrize("warm", [False, True])
def test_a_run_whose_box_is_killed_is_made_again(warm: bool) -> None:
    with Sandbox(warm=warm, timeout=PATIENT) as sandbox, ThreadPoolExecutor(1) as thread:
        idle = len(ours())
        running = thread.submit(sandbox.run, "import time; time.sleep(1.5); print('again')")
        until(lambda: len(ours()) > idle, "the run did not begin")
        assert kill_boxes()
        check(running.result(), "success", "again\n")


@pytest.mark.parametrize("warm", [False, True])
def test_a_box_that_dies_again_and_again_is_an_infra_error(warm: bool) -> None:
    with Sandbox(warm=warm, timeout=PATIENT) as sandbox, ThreadPoolExecutor(1) as thread:
        running = thread.submit(sandbox.run, "import time; time.sleep(600)")
        until(lambda: bool(running.done() or kill_boxes() < 0), "killed boxes are made again and again", 90.0)
    check(running.result(), "infra_error", "")
    assert "box" in running.result().says


def test_threads_share_a_sandbox(sandbox: Sandbox) -> None:
    with Sandbox(timeout=PATIENT, warm=sandbox.warm) as shared, ThreadPoolExecutor(6) as threads:
        results = threads.map(lambda n: shared.run("print(int(input()) ** 2)", stdin=f"{n}\n").stdout, range(30))
        assert list(results) == [f"{n * n}\n" for n in range(30)]


def test_a_box_that_was_opened_in_a_thread_that_has_ended_is_replaced() -> None:
    with Sandbox(timeout=PATIENT, warm=True) as sandbox:
        sandbox.close()
        thread = threading.Thread(target=sandbox.open)
        thread.start()
        thread.join()
        check(sandbox.run("print(1)"), "success", "1\n")


def test_what_comes_out_of_a_pickle_has_the_same_settings_and_works() -> None:
    sandbox = Sandbox(timeout=PATIENT, memory=300 * MIB, preload=("math",), warm=True)
    with sandbox:
        again = pickle.loads(pickle.dumps(sandbox))
        assert again == sandbox
    with again:
        check(again.run("import sys; print('math' in sys.modules)"), "success", "True\n")


def script(code: str, *words: str) -> subprocess.Popen[str]:
    """A process of its own that uses the sandbox; its boxes are marked as ours."""
    start = (
        f"from yisang.sandbox import *\nfrom yisang.sandbox import command\ncommand.ENVIRONMENT['MARK'] = {MARK!r}\n"
    )
    return subprocess.Popen(
        [*words, "-c", start + code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )


def output(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    return out


def test_a_fork_has_boxes_of_its_own() -> None:
    code = """
import os
with Sandbox(warm=True, timeout=30) as sandbox:
    box = sandbox._idle[0]
    child = os.fork()
    assert sandbox.run(f"print({os.getpid()})").stdout == f"{os.getpid()}\\n"
    assert (sandbox._idle[0] is box) == bool(child)
    if not child:
        sandbox.close()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert sandbox.run("print(2)").stdout == "2\\n"
    assert sandbox._idle == [box]
print("both")
"""
    assert output(script(code, sys.executable)) == "both\n"


@pytest.mark.parametrize("warm", [False, True])
def test_nothing_outlives_a_host_that_is_killed(warm: bool) -> None:
    code = f"""
import threading
sandbox = Sandbox(warm={warm}, timeout=600)
sandbox.open()
threading.Thread(target=print, args=("open",), kwargs={{"flush": True}}).start()
sandbox.run("import os, time\\nfor _ in range(5): os.fork() or time.sleep(600)\\ntime.sleep(600)")
"""
    idle = len(ours())
    process = script(code, sys.executable)
    assert process.stdout is not None
    assert process.stdout.readline() == "open\n"
    until(lambda: len(ours()) > idle + 6, "the run did not begin")
    process.kill()
    process.communicate()
    until(lambda: len(ours()) <= idle, "the boxes of a killed host are left")


def test_an_ordinary_user_may_use_it_too(host: dict[str, object]) -> None:
    """Where the tests are root's, whose way is another: nobody, with the system's Python, which nobody can reach."""
    if os.geteuid() != 0:
        return  # then every other test has shown it
    python = shutil.which("python3", path="/usr/bin")
    version = "import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13))"
    if python is None or subprocess.run([python, "-c", version]).returncode:
        pytest.skip("there is no /usr/bin/python3 of version 3.11 or 3.12")
    if not all(folder.stat().st_mode & 1 for folder in (ROOT, *ROOT.parents)):
        pytest.skip("the checkout lies where other users cannot look")
    code = f"""
import os
assert os.getuid() == 65534
for warm in (False, True):
    with Sandbox(warm=warm, timeout=30, memory=100 * MIB) as sandbox:
        print(sandbox.run({attack(ATTACKS["host file"], host)!r}).stdout)
        print(sandbox.run({MANY.format(seconds=600)!r}).says)
        print(sandbox.run("import time; time.sleep(600)", timeout=0.2).status)
"""
    user = ("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", python)
    assert output(script(code, *user)) == (
        f"held\n\nits processes held more than {100 * MIB} bytes together\ntimeout\n" * 2
    )


# It fails closed


@pytest.fixture
def bare_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH of everything that a box is started with, to take from."""
    for name in ("setpriv", "choom", "bwrap"):
        if found := shutil.which(name):
            (tmp_path / name).symlink_to(found)
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def test_without_bubblewrap_nothing_is_run(bare_path: Path) -> None:
    check(run_python("print(1)", timeout=PATIENT), "success")
    (bare_path / "bwrap").unlink()
    for attempt in (lambda: run_python("print(1)"), Sandbox().open, lambda: Sandbox().run("print(1)")):
        with pytest.raises(SandboxUnavailable, match="bwrap is not installed.*apt-get install bubblewrap") as caught:
            attempt()
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.mend) == (str(caught.value), "apt-get install bubblewrap")


def refusing(path: Path, says: str) -> None:
    (path / "bwrap").unlink(missing_ok=True)
    (path / "bwrap").write_text(f'#!/bin/sh\necho "bwrap: {says}" >&2\nexit 1\n')
    (path / "bwrap").chmod(0o755)


@pytest.mark.parametrize(
    ("says", "mend"),
    [
        ("No permissions to create new namespace", "user.?namespace"),
        ("Unknown option --disable-userns", "bubblewrap 0.8.0 or newer"),
        ("Can't find source path /srv/python: Permission denied", "let every user read"),
    ],
)
def test_without_namespaces_nothing_is_run(bare_path: Path, says: str, mend: str) -> None:
    refusing(bare_path, says)
    with pytest.raises(SandboxUnavailable, match=says) as caught:
        run_python("print(1)")
    assert re.search(mend, caught.value.mend)


def test_a_machine_that_falls_ill_later_gives_an_infra_error(bare_path: Path) -> None:
    with Sandbox(timeout=PATIENT) as sandbox:
        check(sandbox.run("print(1)"), "success")
        refusing(bare_path, "No space left on device")
        result = sandbox.run("print(1)")
    check(result, "infra_error", "")
    assert "No space left on device" in result.says


def test_a_machine_without_a_filter_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package, "supported", lambda: False)
    with pytest.raises(SandboxUnavailable, match="use Linux on x86_64 or aarch64"):
        run_python("print(1)")


def test_a_switch_of_the_kernel_is_named_as_the_mend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    switch = tmp_path / "switch"
    monkeypatch.setattr(unavailable, "_SWITCHES", {str(switch): ("0", "sysctl -w it=1")})
    assert unavailable.unavailable("no").mend != "sysctl -w it=1"
    switch.write_text("1\n")
    assert unavailable.unavailable("no").mend != "sysctl -w it=1"
    switch.write_text("0\n")
    assert unavailable.unavailable("no").mend == "sysctl -w it=1"


def test_a_module_that_cannot_be_preloaded_is_named() -> None:
    with pytest.raises(SandboxUnavailable, match="no_such_module cannot be imported in the box: ModuleNotFoundError"):
        Sandbox(preload=("math", "no_such_module")).open()


def test_where_a_warm_box_cannot_be_made_the_cold_one_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    without(["--cap-add", "CAP_SYS_ADMIN"], monkeypatch)
    with pytest.raises(SandboxUnavailable, match=r"Operation not permitted.*Sandbox\(warm=False\)"):
        Sandbox(warm=True).open()


@pytest.mark.parametrize("setting", ["timeout", "memory", "output", "disk", "processes"])
def test_a_limit_must_be_above_zero(setting: str) -> None:
    with pytest.raises(UsageError, match=f"{setting} is 0"):
        Sandbox(**{setting: 0})


def test_the_probes_find_a_box_that_leaks(monkeypatch: pytest.MonkeyPatch) -> None:
    assert escapes() == []
    without(["--unshare-net"], monkeypatch)
    assert escapes() == ["the network of the host could be reached"]
