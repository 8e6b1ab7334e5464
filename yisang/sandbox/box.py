"""One box and the runs in it, seen from the host: it feeds and reads the streams, keeps the limits, and judges the end."""

from __future__ import annotations

import contextlib
import json
import marshal
import math
import os
import selectors
import signal
import socket
import struct
import subprocess
import time
from dataclasses import dataclass
from io import FileIO
from typing import Any, Literal

from yisang.sandbox.command import command, own_interpreter
from yisang.sandbox.memory import address_space, held_below
from yisang.sandbox.syscalls import clone_number, filter_program
from yisang.sandbox.unavailable import SandboxUnavailable, unavailable

Status = Literal["success", "timeout", "error", "infra_error"]
Killed = Literal["", "timeout", "memory"]

START_SECONDS = 120.0
"""How long a box may take to import what is preloaded."""
KILL_SECONDS = 10.0
"""How long a killed run may take to be gone, before the whole box is killed."""
LOOK_SECONDS = 0.05
"""Time between two looks at the memory of a run; what it can take in between is not stopped."""
FILES = 4096
"""Files and folders that a run may have in /tmp at a time: they are memory, which the size of /tmp does not count."""
HANDLES = 64

_CREDENTIALS = struct.Struct("3i")  # struct ucred: process, user, group


@dataclass(frozen=True)
class RunResult:
    """How a run ended.

    success      the code ended by itself with exit code 0
    timeout      it was killed at the wall limit or at the limit of CPU time
    error        the code failed: an exception, another exit code, a signal, too much memory, too many files
    infra_error  the sandbox or the machine failed, and nothing is known about the code: never count it as its failure
    """

    status: Status
    stdout: str
    stderr: str
    stdout_truncated: bool
    stderr_truncated: bool
    exit_code: int | None
    """None where a signal or the sandbox ended the code."""
    signal: int | None
    seconds: float
    """Wall time from the request to the end, the start of a box not counted."""
    says: str = ""
    """For people: why it is no success."""


class BoxDied(Exception):
    """The box ended or went silent in the middle of a run; the message says what is known."""


@dataclass(frozen=True)
class Limits:
    """Seconds, bytes and numbers for one run; see Sandbox."""

    timeout: float
    memory: int
    output: int
    disk: int
    processes: int

    @property
    def cpu(self) -> int:
        """Seconds of CPU time; more than one thread may use them up before the wall limit."""
        return math.ceil(self.timeout) + 1

    def of_kernel(self, space: int, own: int) -> dict[str, tuple[int, int]]:
        """(soft, hard) by name of the limit; a run starts with `space` bytes of addresses and `own` processes of ours."""
        return {
            "AS": (space + self.memory, space + self.memory),
            "CPU": (self.cpu, self.cpu + 1),
            "NPROC": (self.processes + own, self.processes + own),
            "FSIZE": (self.disk, self.disk),
            "NOFILE": (HANDLES, HANDLES),
            "CORE": (0, 0),
            "MSGQUEUE": (0, 0),
        }


class Box:
    """A started box. SandboxUnavailable is raised where it does not start. Not for several threads at a time."""

    def __init__(self, *, warm: bool, preload: tuple[str, ...], disk: int):
        self.warm = warm
        self.used = False
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        # The kernel then says with each message which process sent it.
        self._control.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        settings = {"warm": warm, "preload": preload, "disk": disk, "path": own_interpreter().path()}
        settings |= {"filter": filter_program(), "clone": clone_number()}
        self._control.send(marshal.dumps(settings))
        with theirs:
            self._process = subprocess.Popen(
                command(warm=warm, disk=disk, control=theirs.fileno()),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
                cwd="/",
            )
        self._handle = -1
        try:
            self._first = self._greet()
            self._handle = os.pidfd_open(self._first)
            self._space = address_space(self._first)
        except BaseException:
            self.close()
            raise

    def _greet(self) -> int:
        """The number of the box's first process, as the host counts them."""
        self._control.settimeout(START_SECONDS)
        try:
            data, ancillary, _, _ = self._control.recvmsg(1 << 16, socket.CMSG_SPACE(_CREDENTIALS.size))
        except TimeoutError:
            raise unavailable(f"it was silent for {START_SECONDS:g} s") from None
        except ConnectionResetError:  # it ended before it had read its settings
            data, ancillary = b"", []
        self._control.setblocking(False)
        message = json.loads(data) if data else {}
        if "refused" in message:
            mend = "use Sandbox(warm=False)" if "warm" in message["refused"] else "correct preload, or install it"
            raise SandboxUnavailable(message["refused"], mend)
        if not data:
            raise unavailable(self._last_words())
        return int(_CREDENTIALS.unpack(ancillary[0][2][: _CREDENTIALS.size])[0])

    def _last_words(self) -> str:
        """What bubblewrap or the program in the box wrote before it ended; its last 2,000 characters."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(KILL_SECONDS)
        assert self._process.stderr is not None
        os.set_blocking(self._process.stderr.fileno(), False)
        return (self._process.stderr.read() or b"").decode(errors="replace").strip()[-2000:]

    def run(self, code: bytes, stdin: bytes, limits: Limits) -> RunResult:
        """Runs the code. BoxDied is raised where nobody can tell how it ended; the box is closed then."""
        self.used = True
        try:
            with contextlib.ExitStack() as opened:
                theirs, feed, streams = _pipes(opened, code, limits.output)
                feed.rest = memoryview(stdin)
                started = time.monotonic()
                self._ask(limits, theirs)
                how, killed = self._watch(feed, streams, limits, started)
                seconds = time.monotonic() - started
                if not self.warm:
                    self.close()
                for stream in streams:
                    while stream.go_on():  # all that could write is gone, so this ends
                        continue
                return _judge(how, killed, streams, seconds, limits)
        except BaseException:
            self.close()
            raise

    def _ask(self, limits: Limits, handles: list[FileIO]) -> None:
        request = {"run": {"limits": limits.of_kernel(self._space, own=2 if self.warm else 1), "files": FILES}}
        try:
            numbers = [handle.fileno() for handle in handles]
            socket.send_fds(self._control, [marshal.dumps(request)], numbers)
        except OSError as error:
            raise BoxDied(f"the box had ended before the run ({error})") from error
        finally:
            for handle in handles:
                handle.close()

    def _watch(
        self, feed: _Feed, streams: tuple[_Capped, ...], limits: Limits, started: float
    ) -> tuple[dict[str, Any] | None, Killed]:
        """Feeds and reads until nothing of the run is left: (what the box reports, what it was killed for)."""
        how: dict[str, Any] | None = None
        killed: Killed = ""
        deadline, look = started + limits.timeout, started + LOOK_SECONDS
        with selectors.DefaultSelector() as selector:
            selector.register(self._control, selectors.EVENT_READ)
            selector.register(feed.pipe, selectors.EVENT_WRITE, feed)
            for stream in streams:
                selector.register(stream.pipe, selectors.EVENT_READ, stream)
            while True:
                now = time.monotonic()
                if how is None and not killed and now >= min(deadline, look):
                    look = now + LOOK_SECONDS
                    if now >= deadline:
                        killed = "timeout"
                    elif held_below(self._first, limits.memory) > limits.memory:
                        killed = "memory"
                    if killed:
                        deadline = self._order_kill()
                if now >= deadline + KILL_SECONDS:
                    raise BoxDied(f"a run was not gone {KILL_SECONDS:g} s after its end")
                ended = how is not None or killed
                for key, _ in selector.select(deadline + KILL_SECONDS - now if ended else min(deadline, look) - now):
                    if key.data is not None:
                        if not key.data.go_on():
                            selector.unregister(key.data.pipe)
                            key.data.pipe.close()
                        continue
                    message = self._hear()
                    if message is None and how is None and not killed:
                        raise BoxDied(f"the box ended in the middle of a run ({self._last_words() or 'no words'})")
                    if message is None or "idle" in message:
                        return how, killed
                    if not killed:
                        how, deadline = message["ended"], now

    def _order_kill(self) -> float:
        with contextlib.suppress(OSError):  # the box is gone, which is what was wanted
            self._control.send(marshal.dumps({"kill": True}))
        return time.monotonic()

    def _hear(self) -> dict[str, Any] | None:
        """The next message, None where the box has ended."""
        try:
            data = self._control.recv(1 << 16)
        except ConnectionResetError:
            data = b""
        return dict(json.loads(data)) if data else None

    @property
    def closed(self) -> bool:
        return self._process.returncode is not None

    def lives(self) -> bool:
        """False for one that was killed, or whose opening thread has ended: the kernel takes that for the host's end."""
        return self._process.poll() is None

    def close(self) -> None:
        """Ends the box and every process in it, and waits until they are gone."""
        self._control.close()
        if self._handle >= 0:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._handle, signal.SIGKILL)
            os.close(self._handle)
            self._handle = -1
        elif self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        assert self._process.stderr is not None
        self._process.stderr.close()

    def abandon(self) -> None:
        """Forgets the box without ending it: for a fork of the process that opened it."""
        self._control.close()
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1
        self._process.returncode = 0  # else Popen would wait for what is not a child of this process


def _pipes(opened: contextlib.ExitStack, code: bytes, limit: int) -> tuple[list[FileIO], _Feed, tuple[_Capped, ...]]:
    """(what the box gets, in its order; our end of standard input; our ends of the two outputs)."""

    def file(handle: int, mode: str) -> FileIO:
        return opened.enter_context(FileIO(handle, mode))

    def pipe() -> tuple[FileIO, FileIO]:
        read, write = os.pipe()
        return file(read, "r"), file(write, "w")

    (stdin, feed), (out, to_out), (err, to_err) = pipe(), pipe(), pipe()
    for end in (feed, out, err):
        os.set_blocking(end.fileno(), False)
    source = file(os.memfd_create("main.py"), "w")
    with open(source.fileno(), "wb", closefd=False) as writer:
        writer.write(code)
    os.lseek(source.fileno(), 0, os.SEEK_SET)
    return [stdin, to_out, to_err, source], _Feed(feed), (_Capped(out, limit), _Capped(err, limit))


class _Feed:
    """Standard input of a run, written as the code reads it."""

    def __init__(self, pipe: FileIO):
        self.pipe = pipe
        self.rest = memoryview(b"")

    def go_on(self) -> bool:
        """Writes what there is room for; False once all is written or nobody reads it."""
        try:
            written = self.pipe.write(self.rest[: 1 << 16]) if self.rest else 0
        except BrokenPipeError:
            return False
        self.rest = self.rest[written or 0 :]  # None: there is no room
        return bool(self.rest)


class _Capped:
    """An output of a run: its first `limit` bytes are kept, the rest is read and forgotten."""

    def __init__(self, pipe: FileIO, limit: int):
        self.pipe = pipe
        self.truncated = False
        self._kept = bytearray()
        self._limit = limit

    def go_on(self) -> bool:
        """Reads some of what is there; False at the end of it, and where there is nothing now."""
        if self.pipe.closed:
            return False
        data = self.pipe.read(1 << 16) or b""
        room = self._limit - len(self._kept)
        self._kept += data[:room]
        self.truncated |= len(data) > room
        return bool(data)

    @property
    def text(self) -> str:
        return self._kept.decode(errors="replace")


def _judge(
    how: dict[str, Any] | None, killed: Killed, streams: tuple[_Capped, ...], seconds: float, limits: Limits
) -> RunResult:
    status: Status = "error"
    code, signal_ = None, None
    if killed == "timeout":
        status, says = "timeout", f"still running after {limits.timeout:g} s"
    elif killed == "memory":
        says = f"its processes held more than {limits.memory} bytes together"
    elif how is None or not how.get("began", True):
        raise BoxDied(f"the box failed before the code began ({streams[1].text.strip()[-2000:] or 'no words'})")
    elif "files" in how:
        says = f"it made more than {how['files']} files"
    elif how["exit"] >= 0:
        code = how["exit"]
        status, says = ("error", f"exit code {code}") if code else ("success", "")
    else:
        signal_ = -how["exit"]
        # The kernel sends SIGXCPU first and kills a second later what goes on; its two clocks differ by a little.
        if signal_ in (signal.SIGXCPU, signal.SIGKILL) and how["cpu"] > limits.cpu - 0.5:
            status, says = "timeout", f"it used more than {limits.cpu} s of CPU time"
        else:
            says = f"ended by {_signal_name(signal_)}"
    out, err = streams
    return RunResult(status, out.text, err.text, out.truncated, err.truncated, code, signal_, seconds, says)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return f"signal {number}"
