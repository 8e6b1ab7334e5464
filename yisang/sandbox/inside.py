"""The program inside the box: it waits for a run, forks it, watches it, and tells how it ended.

It is never imported. The host starts it as a script, as pid 1 of the box (see `command.py`), and speaks with it over
one socket, in marshal to the box and in JSON from it, where less is taken on trust:

    host  {...}                 settings
    box   {"ready": true}       everything is imported; {"refused": why} instead where it cannot serve
    host  {"run": limits}       with four handles: standard input, output, error output, and a file that holds the code
    box   {"ended": report}     the code has ended
    host  {"kill": true}        the run is to be ended now
    box   {"idle": true}        only a warm box: of the run nothing is left, the next may come

A process that runs code never holds the socket, and cannot signal or trace the one that does. That one is pid 1 of the
run's namespace: when it ends, the kernel kills whatever the run has started. A cold box serves one run with pid 1
itself. A warm box makes new namespaces for each run and has a pid 1 in each.

A cold run pays for every import here, so json and typing are missing.
"""

from __future__ import annotations

import _sitebuiltins
import atexit
import builtins
import ctypes
import gc
import marshal
import os
import resource
import select
import signal
import socket
import sys
import types

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

TICK = 50
"""Milliseconds between two looks at the files of a run; orphans are reaped at the same pace."""

_PR_SET_DUMPABLE, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 4, 22, 38  # linux/prctl.h
_CLONE_NEWNS, _CLONE_NEWIPC, _CLONE_NEWPID, _CLONE_NEWNET = 0x20000, 0x08000000, 0x20000000, 0x40000000  # linux/sched.h
_MS_NOSUID, _MS_NODEV, _MS_REC, _MS_PRIVATE = 2, 4, 0x4000, 0x40000  # linux/mount.h
_SECCOMP_MODE_FILTER = 2
_CAPABILITIES_3 = 0x20080522  # linux/capability.h

# PyDLL keeps the interpreter's lock over the call, so that a clone has it too.
libc = ctypes.PyDLL(None, use_errno=True)


class Filter(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = (("length", ctypes.c_ushort), ("program", ctypes.c_char_p))


def check(result: int) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def hide() -> None:
    """Makes this process deaf to what runs in the box: untraceable, and no handler that a signal could reach.

    Of its own namespace pid 1 gets only signals that it handles, and Python handles SIGINT.
    """
    check(libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0))
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())  # the host's thread may have blocked some


def lock(filter_: bytes) -> None:
    """Gives up every capability and every system call of the filter, for this process and all that come of it."""
    check(libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    check(libc.capset((ctypes.c_uint32 * 2)(_CAPABILITIES_3, 0), (ctypes.c_uint32 * 6)()))
    program = Filter(len(filter_) // 8, filter_)
    check(libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0))


def apart(number: int, disk: int) -> int:
    """Forks into new namespaces, with an empty /tmp of `disk` bytes; 0 in the child. `number` is that of clone."""
    flags = _CLONE_NEWNS | _CLONE_NEWIPC | _CLONE_NEWPID | _CLONE_NEWNET | signal.SIGCHLD
    child = check(libc.syscall(ctypes.c_long(number), ctypes.c_ulong(flags), None, None, None, None))
    if not child:
        try:
            os.setsid()
            check(libc.mount(b"none", b"/", None, ctypes.c_ulong(_MS_REC | _MS_PRIVATE), None))
            options = f"size={disk},mode=755,uid={os.getuid()},gid={os.getgid()}".encode()
            check(libc.mount(b"tmpfs", b"/tmp", b"tmpfs", ctypes.c_ulong(_MS_NOSUID | _MS_NODEV), options))
            os.chdir("/tmp")
        except OSError as error:  # half a box; it must not go on, least of all as if it were the parent
            os._exit(error.errno or 1)
    return child


def trial(settings: dict[str, Any]) -> None:
    """Raises OSError where the machine refuses what each run of a warm box needs."""
    child = apart(settings["clone"], settings["disk"])
    if not child:
        os._exit(0)
    if status := os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
        raise OSError(status, os.strerror(status) if status > 0 else f"signal {-status}")


def attend(control: socket.socket, request: dict[str, Any], handles: list[int], settings: dict[str, Any]) -> int:
    """As pid 1 of a run: forks the code, waits for it and reports.

    It returns only in the process of the code, and there a handle to write to once everything is ready for the code:
    what fails before is not the code's failure.
    """
    lock(settings["filter"])
    began, begin = os.pipe()
    child = os.fork()
    if not child:
        return begin
    for handle in (*handles, begin):
        os.close(handle)
    poll = select.poll()
    poll.register(control, select.POLLIN)
    poll.register(os.pidfd_open(child), select.POLLIN)
    while True:
        if any(handle == control.fileno() for handle, _ in poll.poll(TICK)):
            os._exit(1)  # an order to kill, which a warm box's first process reads too, or the host is gone
        room = os.statvfs("/tmp")
        if room.f_files - room.f_ffree > request["files"]:
            report(control, f'{{"files": {request["files"]}}}')
        for pid, status, usage in dead_children():
            if pid == child:
                cpu = usage.ru_utime + usage.ru_stime
                code, ready = os.waitstatus_to_exitcode(status), len(os.read(began, 1))
                report(control, f'{{"exit": {code}, "cpu": {cpu:.3f}, "began": {ready}}}')


def report(control: socket.socket, how: str) -> NoReturn:
    control.send(f'{{"ended": {how}}}'.encode())
    os._exit(0)


def dead_children() -> list[tuple[int, int, resource.struct_rusage]]:
    """Reaps what has ended, orphans of the run too, which would count among its processes."""
    found: list[tuple[int, int, resource.struct_rusage]] = []
    while True:
        try:
            pid, status, usage = os.wait4(-1, os.WNOHANG)
        except ChildProcessError:
            return found
        if not pid:
            return found
        found.append((pid, status, usage))


def serve(control: socket.socket, settings: dict[str, Any]) -> tuple[dict[str, Any], list[int], int]:
    """Waits for runs. In the process that is to run the code it returns the request, its handles and what attend does."""
    while True:
        data, handles, _, _ = socket.recv_fds(control, 1 << 16, 4)
        if not data:
            os._exit(0)  # the host is gone
        message = marshal.loads(data)
        if "run" not in message:
            continue  # a kill that came when the run had ended by itself
        request = message["run"]
        child = apart(settings["clone"], settings["disk"]) if settings["warm"] else 0
        if not child:
            return request, handles, attend(control, request, handles, settings)
        for handle in handles:
            os.close(handle)
        os.waitpid(child, 0)
        control.send(b'{"idle": true}')


def become(control: socket.socket, request: dict[str, Any], handles: list[int], begin: int) -> bytes:
    """Turns a fork into the process of the code: its streams, its limits, no handle besides; returns the code."""
    os.setsid()
    *streams, file = handles
    with open(file, "rb") as opened:
        code = opened.read()
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if numpy_random := sys.modules.get("numpy.random"):
        numpy_random.seed()  # as Python's own generator does by itself in a fork; else each run would draw the same
    for name, (soft, hard) in request["limits"].items():
        kind = getattr(resource, f"RLIMIT_{name}")
        highest = resource.getrlimit(kind)[1]
        if highest != resource.RLIM_INFINITY:
            soft, hard = min(soft, highest), min(hard, highest)
        resource.setrlimit(kind, (soft, hard))
    os.write(begin, b"1")
    control.detach()
    os.closerange(3, 1 << 20)
    return code


def start() -> tuple[socket.socket, dict[str, Any]]:
    control = socket.socket(fileno=int(sys.argv[1]))
    hide()
    settings = marshal.loads(control.recv(1 << 16))
    for name in ("exit", "quit"):
        setattr(builtins, name, _sitebuiltins.Quitter(name, "Ctrl-D (i.e. EOF)"))
    sys.path += settings["path"]
    try:
        for name in settings["preload"]:
            __import__(name)
    except Exception as error:  # whatever a module raises while it is imported is what the host has to tell
        refuse(control, f"{name} cannot be imported in the box: {type(error).__name__}: {error}")
    if settings["warm"]:
        gc.freeze()  # a collection in a fork would write to, and so copy, everything that is shared
        try:
            trial(settings)
        except OSError as error:
            refuse(control, f"a warm box cannot make namespaces inside of its own: {error}")
    control.send(b'{"ready": true}')
    return control, settings


def refuse(control: socket.socket, why: str) -> NoReturn:
    import json

    control.send(json.dumps({"refused": why[:4000]}).encode())
    os._exit(1)


def show(kind: type[BaseException], value: BaseException, trace: types.TracebackType | None) -> None:
    """Prints an exception as `python main.py` would: without the frame below the code, with the code's lines."""
    import linecache
    import traceback

    source = CODE.decode(errors="replace")
    linecache.cache["main.py"] = (len(source), None, source.splitlines(keepends=True), "main.py")
    traceback.print_exception(value.with_traceback(trace.tb_next if trace else None))


def exit_code(error: BaseException) -> int:
    """What Python's own end would do with an exception that nobody caught."""
    if isinstance(error, SystemExit):
        if error.code is None or isinstance(error.code, int):
            return (error.code or 0) & 0xFF
        print(error.code, file=sys.stderr)
        return 1
    try:
        sys.excepthook(type(error), error, error.__traceback__)
    except BaseException:  # a hook of the code's own, or no memory is left: the name at least
        os.write(2, f"{type(error).__name__}\n".encode())
    return 1


def end(code: int) -> NoReturn:
    """Ends as Python does: threads, exit functions, streams, the code's objects; then at once.

    Python would go on to take down every module, which touches, and so copies, all that a fork shares with its parent.
    """
    try:
        if threading := sys.modules.get("threading"):
            threading._shutdown()
        atexit._run_exitfuncs()
        MAIN.__dict__.clear()
        for stream in (sys.stdout, sys.stderr):
            if stream and not stream.closed:
                stream.flush()
    except BaseException as error:  # a stream that the code closed, mostly
        os.write(2, f"{type(error).__name__}: {error}\n".encode(errors="replace"))
        code = 120
    finally:
        os._exit(code)


if __name__ == "__main__":
    # Here and not in a function: the code stands at the bottom of its stack.
    CONTROL, SETTINGS = start()
    CODE = become(CONTROL, *serve(CONTROL, SETTINGS))
    sys.argv = sys.orig_argv = ["main.py"]
    sys.excepthook = show
    MAIN = types.ModuleType("__main__")
    MAIN.__dict__["__builtins__"] = builtins
    OWN = sys.modules["__main__"]  # its names would go with it
    sys.modules["__main__"] = MAIN
    try:
        exec(compile(CODE, "main.py", "exec", dont_inherit=True), MAIN.__dict__)
    except BaseException as error:
        end(exit_code(error))
    end(0)
