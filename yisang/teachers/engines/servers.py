"""Servers that are started, watched and started again: one thread for each, which tells where its server can be asked.

A server listens on a free port, chosen anew each time. It is ready when GET /health answers 200. When its process ends, or it is
healthy no more for a while, it is started again after a pause; one that dies quickly several times is given up. All of them end with
the command, however that ends (`keeper`). What they say is kept in a folder.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import http.client
import logging
import os
import shlex
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from yisang.teachers.engines.base import TeacherUnavailable

KEEPER = Path(__file__).with_name("keeper.py")
QUICK = 300.0
"""Seconds: a server that dies sooner after it was ready has died quickly."""
BLIND_TRIES = 2
"""Of a server that was never ready yet: its settings are wrong, or another process took its port."""
SETTLE = 60.0
"""Seconds from the first server that is ready until requests no longer wait for the others: alike as they are, they load about as
long, and one that hangs while it loads is not to keep the GPUs of the others idle for `startup`."""
LOOK = 10.0
"""Seconds between two looks at the health of a server."""
LONGEST_PAUSE = 30.0
TAIL = 2000
"""Characters of a log that an error shows."""

_log = logging.getLogger(__name__)
Listener = Callable[[], None]


@dataclass(frozen=True)
class Launch:
    """How to start one server. command: with {port} where its port belongs. environment: what is added to this process's own."""

    command: tuple[str, ...]
    environment: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Plan:
    """Servers that belong together.

    logs: the folder of their logs; "": a new one in the folder for temporary files. startup: seconds until a server must be ready.
    deaths: quick ones in a row until it is given up. pause: seconds before it is started again, doubled each time. hang: seconds
    without a sign of health until it is killed. linger: seconds that they live on when nobody uses them.
    """

    launches: tuple[Launch, ...]
    logs: str = ""
    startup: float = 1800.0
    deaths: int = 3
    pause: float = 1.0
    hang: float = 120.0
    linger: float = 60.0

    @property
    def gpus(self) -> frozenset[str]:
        """By the names of CUDA_VISIBLE_DEVICES."""
        told = (dict(launch.environment).get("CUDA_VISIBLE_DEVICES", "") for launch in self.launches)
        return frozenset(name for names in told for name in names.split(",") if name)


class Servers:
    """addresses: of each server, None while it cannot be asked. failure: why none of them will be back."""

    def __init__(self, plan: Plan):
        self.plan = plan
        self._claims = _claimed(plan.gpus)
        self.addresses: list[str | None] = [None] * len(plan.launches)
        self.failure: TeacherUnavailable | None = None
        self.starts = [0] * len(plan.launches)
        self.logs = Path(plan.logs or tempfile.mkdtemp(prefix="yisang-vllm-"))
        self.logs.mkdir(parents=True, exist_ok=True)
        self.users, self.unused_since = 0, 0.0
        self._listeners: list[Listener] = []
        self._tried: set[int] = set()
        self._settling: threading.Timer | None = None
        self._waited = False
        self._lost = 0
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._running: dict[int, subprocess.Popen[bytes]] = {}
        self._threads = [
            threading.Thread(target=self._keep, args=(number,), name=f"server {number}", daemon=True)
            for number in range(len(plan.launches))
        ]
        for thread in self._threads:
            thread.start()

    @property
    def settled(self) -> bool:
        """Whether each of them has been ready once or has failed, or they were waited for. Before, the first that is ready would get
        all requests."""
        return self._waited or len(self._tried) == len(self.addresses)

    def listen(self, listener: Listener) -> None:
        """`listener` is called, in another thread, each time that addresses or failure have changed, and once now."""
        with self._lock:
            self._listeners.append(listener)
        listener()

    def forget(self, listener: Listener) -> None:
        with self._lock:
            self._listeners.remove(listener)

    def stop(self) -> None:
        """Ends all of them, and waits for it."""
        self._stopping.set()
        with self._lock:
            if self._settling is not None:
                self._settling.cancel()
            for process in self._running.values():
                process.terminate()
        for thread in self._threads:
            thread.join()
        self._claims.close()

    def log(self, number: int) -> Path:
        return self.logs / f"server-{number}.log"

    def _keep(self, number: int) -> None:
        try:
            self._keep_up(number)
        except (
            Exception
        ) as error:  # a full disk, a folder that is gone, no more processes: requests must not wait for ever
            self._tell(number, None)
            if not self._stopping.is_set():
                self._give_up(number, f"could not be kept: {type(error).__name__}: {error}")

    def _keep_up(self, number: int) -> None:
        deaths, ever = 0, False
        while not self._stopping.is_set():
            port = _free_port()
            with self._launched(number, port) as process:
                why, late = self._until_ready(process, port)
                since = time.monotonic()
                if not why:
                    self._tell(number, f"http://127.0.0.1:{port}/v1")
                    why, ever = self._until_gone(process, port), True
                    self._tell(number, None)
                    deaths = 0 if time.monotonic() - since >= QUICK else deaths
            if self._stopping.is_set():
                return
            deaths += 1
            self._tell(number, None)
            if late or deaths >= (self.plan.deaths if ever else min(BLIND_TRIES, self.plan.deaths)):
                self._give_up(number, why)
                return
            _log.warning("Server %d %s. It is started again; its log is %s.", number, why, self.log(number))
            self._stopping.wait(min(LONGEST_PAUSE, self.plan.pause * 2.0 ** (deaths - 1)))

    @contextlib.contextmanager
    def _launched(self, number: int, port: int) -> Iterator[subprocess.Popen[bytes]]:
        launch = self.plan.launches[number]
        command = [word.replace("{port}", str(port)) for word in launch.command]
        with self.log(number).open("ab") as log:
            log.write(f"--- {time.strftime('%F %T')} {shlex.join(command)}\n".encode())
            log.flush()
            # The keeper goes when this thread goes, which does so with the process.
            process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(KEEPER), str(os.getpid()), *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **dict(launch.environment)},
            )
        self.starts[number] += 1
        with self._lock:
            self._running[number] = process
            if self._stopping.is_set():
                process.terminate()
        try:
            yield process
        finally:
            process.terminate()
            process.wait()
            with self._lock:
                del self._running[number]

    def _until_ready(self, process: subprocess.Popen[bytes], port: int) -> tuple[str, bool]:
        """Why it is not ready, "" where it is, and whether that took too long."""
        end = time.monotonic() + self.plan.startup
        while not _healthy(port):
            if process.poll() is not None:
                return f"ended with {process.returncode} before it was ready", False
            if time.monotonic() > end:
                return f"was not ready within {self.plan.startup:g} s", True
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0.1)
        return "", False

    def _until_gone(self, process: subprocess.Popen[bytes], port: int) -> str:
        seen = time.monotonic()
        while True:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(min(LOOK, self.plan.hang / 4))
                return f"ended with {process.returncode}"
            if _healthy(port):
                seen = time.monotonic()
            elif time.monotonic() - seen > self.plan.hang:
                return f"gave no sign of health for {self.plan.hang:g} s"

    def _tell(self, number: int, address: str | None) -> None:
        self.addresses[number] = address
        self._tried.add(number)
        with self._lock:
            first = address is not None and self._settling is None and not self._stopping.is_set()
            if first and not self.settled:
                self._settling = threading.Timer(SETTLE, self._settle)
                self._settling.daemon = True
                self._settling.start()
        self._changed()

    def _settle(self) -> None:
        self._waited = True
        late = [str(number) for number in range(len(self.addresses)) if number not in self._tried]
        if late:
            _log.warning("Server %s is not ready yet; the others begin. Its log is in %s.", ", ".join(late), self.logs)
        self._changed()

    def _give_up(self, number: int, why: str) -> None:
        with self._lock:
            self._lost += 1
            left = len(self.addresses) - self._lost
        told = f"Server {number} of {len(self.addresses)} {why}, after {self.starts[number]} starts, and is given up."
        if left:
            _log.error("%s The other %d go on. Its log is %s.", told, left, self.log(number))
            return
        try:
            with self.log(number).open("rb") as file:
                tail = file.read()[-4 * TAIL :].decode("utf-8", "replace")[-TAIL:].strip()
        except OSError as error:
            tail = f"(it cannot be read: {error})"
        self.failure = TeacherUnavailable(
            f"{told} Mend what its log says ({self.log(number)}) and run the same command: answers so far are stored. The log ends:\n"
            f"{tail}"
        )
        self._changed()

    def _changed(self) -> None:
        with self._lock:
            listeners = list(self._listeners)
        for listener in listeners:
            listener()


_shared: dict[Plan, Servers] = {}
_sharing = threading.Lock()


def acquire(plan: Plan) -> Servers:
    """The servers of a plan, started if they do not run in this process. To be given back with `release`.

    Servers that live on unused, and hold a GPU that these want, are ended. Raises TeacherUnavailable where a GPU is used otherwise.
    """
    with _sharing:
        found = _shared.get(plan)
        if found is not None and found.failure is None:
            found.users += 1
            return found
        for other in list(_shared.values()):
            if not other.users and (other.plan == plan or other.plan.gpus & plan.gpus):
                del _shared[other.plan]
                other.stop()
        found = _shared[plan] = Servers(plan)
        found.users += 1
        return found


def _claimed(gpus: Collection[str]) -> contextlib.ExitStack:
    """Locks on GPUs, one file for each, held until it is closed. Two servers on one GPU would end for lack of memory."""
    with contextlib.ExitStack() as held:
        folder = Path(tempfile.gettempdir(), f"yisang-gpus-{os.getuid()}")
        if gpus:
            folder.mkdir(mode=0o700, exist_ok=True)
        for name in sorted(gpus):
            file = held.enter_context((folder / name.replace("/", "-")).open("a+"))
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                file.seek(0)
                raise TeacherUnavailable(
                    f"GPU {name} is used by servers that process {file.read().strip() or '?'} of yisang has started. Give these others "
                    "with the option gpus, or wait; a run asks from one process, with --workers 1."
                ) from error
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
        return held.pop_all()


def release(servers: Servers) -> None:
    """Says that they are not used any more; they live on for the plan's `linger`, as the next stream of requests may want them."""
    with _sharing:
        servers.users -= 1
        servers.unused_since = time.monotonic()
    if not servers.plan.linger:
        _stop_unused(servers)
    else:
        # A little later, as clocks go.
        timer = threading.Timer(servers.plan.linger + 0.1, _stop_unused, (servers,))
        timer.daemon = True
        timer.start()


def _stop_unused(servers: Servers) -> None:
    with _sharing:
        if servers.users or time.monotonic() - servers.unused_since < servers.plan.linger:
            return
        if _shared.get(servers.plan) is servers:
            del _shared[servers.plan]
    servers.stop()


@atexit.register
def _stop_all() -> None:
    for servers in list(_shared.values()):
        servers.stop()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        found: int = free.getsockname()[1]
        return found


def _healthy(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
