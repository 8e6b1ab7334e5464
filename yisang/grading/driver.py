"""The program that the sandbox runs for tests in Python: it has an answer run, then its tests, and says whether they held.

Nothing imports this module; `yisang.grading.programs` sends its text, and on standard input answer, tests and token.

The answer runs in a child, forked before anything is read: in the child's memory there is no token, and no test while the
answer's own statements run. Its three streams are /dev/null, so nothing that it prints, early or late, stands beside
what is said here. The child asks for the tests when the answer has ended, runs them behind it, and only then takes the
token from the pipe, where it lies behind them, and hands it back. The parent says it, and the sandbox ends all others.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
import types
from typing import Any, NoReturn


def main() -> NoReturn:
    (orders, to_child), (reports, to_parent) = os.pipe(), os.pipe()
    child = os.fork()
    if not child:
        os.close(to_child)
        os.close(reports)
        attempt(orders, to_parent)
    os.close(orders)
    os.close(to_parent)
    given = json.loads(sys.stdin.buffer.read())
    send(to_child, given["code"])
    if (said := receive(reports)) == "ran":
        send(to_child, given["tests"])
        send(to_child, given["token"])
        said = receive(reports)
    if said is None:  # it has left without a word
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if code:
            os.write(2, f"it ended with {f'exit code {code}' if code > 0 else f'signal {-code}'}\n".encode())
        os._exit(1 if code else 0)
    if said != given["token"]:
        os.write(2, said[:2000].encode(errors="replace"))
        os._exit(1)
    os.write(1, said.encode())
    os._exit(0)


def attempt(orders: int, reports: int) -> NoReturn:
    """In the child: the answer, the tests, the token."""
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    # Not "__main__": what an answer does when it is run as a program is not what the tests ask for.
    module = types.ModuleType("answer")
    sys.modules["answer"] = sys.modules["__main__"] = module
    code: Any = 0
    try:
        exec(compile(receive(orders) or "", "answer.py", "exec", dont_inherit=True), module.__dict__)
        send(reports, "ran")
        module.__dict__["__name__"] = "__main__"
        exec(compile(receive(orders) or "", "tests.py", "exec", dont_inherit=True), module.__dict__)
        send(reports, receive(orders) or "")
    except SystemExit as error:
        code = error.code
    except BaseException as error:
        send(reports, traceback.format_exception_only(error)[-1])
    os._exit(code & 0xFF if isinstance(code, int) else bool(code))


def send(handle: int, text: str) -> None:
    data = text.encode("utf-8", "surrogatepass")
    data = len(data).to_bytes(8, "big") + data
    while data:
        data = data[os.write(handle, data) :]


def receive(handle: int) -> str | None:
    """The next text, None where the other end is closed."""
    head = exactly(handle, 8)
    data = exactly(handle, int.from_bytes(head, "big")) if head else None
    return None if data is None else data.decode("utf-8", "surrogatepass")


def exactly(handle: int, size: int) -> bytes | None:
    data = b""
    while len(data) < size:
        part = os.read(handle, min(size - len(data), 1 << 16))
        if not part:
            return None
        data += part
    return data


if __name__ == "__main__":
    main()
