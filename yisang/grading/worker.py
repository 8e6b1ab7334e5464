"""The child process that runs Math-Verify: it reads one comparison a line and answers each with a line.

Nothing imports this module; `yisang.grading.symbolic` starts it. Math-Verify's own time limits are off, since the parent
kills. An alarm whose default action ends the process stands behind that, as sympy may hang in C where no Python runs.
"""

from __future__ import annotations

import json
import logging
import os
import resource
import select
import signal
import sys
from dataclasses import replace
from itertools import product
from typing import Any

MEMORY = 4 << 30
"""Bytes of address space; sympy would fill a machine with one power tower. Ours."""
GRACE = 2.0
"""Seconds after the deadline at which the child ends itself, where nobody else has."""


def answer(request: dict[str, Any]) -> str:
    """ "equal", "different", "answer" or "gold" (that one cannot be parsed), "error" or "memory"."""
    try:
        if request["search"]:
            return _compared(request, units=True)
        # With units first, it would take the m of 5 m + 2 away, or the e of \\mathrm{e}, and not both on both sides.
        results = []
        for units in (False, True):
            results.append(_compared(request, units))
            if results[-1] == "equal":
                return "equal"
        return next(result for result in ("different", "error", *results) if result in results)
    except MemoryError:
        return "memory"
    except Exception:  # what is wrong with the expressions is a verdict, and the parent gives it
        return "error"


def _compared(request: dict[str, Any], units: bool) -> str:
    """One comparison, with words for units taken away or left as they are."""
    from math_verify import (  # type: ignore[import-untyped]
        ExprExtractionConfig,
        LatexExtractionConfig,
        parse,
        verify,
    )
    from sympy import Basic, MatrixBase, nan, zoo  # type: ignore[import-untyped]

    kinds = request["search"]
    searching = bool(kinds)
    usual = LatexExtractionConfig().normalization_config
    targets = []
    if "latex" in kinds or not searching:
        targets.append(LatexExtractionConfig(boxed_match_priority=0, normalization_config=replace(usual, units=units)))
    if "expr" in kinds:
        targets.append(ExprExtractionConfig())
    found: dict[str, list[Any]] = {}
    for side in ("gold", "answer"):
        parsed = parse(request[side], targets, parsing_timeout=None)
        found[side] = parsed if searching else [one for one in parsed if isinstance(one, Basic | MatrixBase)]
        found[side] = [one for one in found[side] if one not in (zoo, nan)]
        if not searching and not found[side]:
            return side
    failed = False
    for one, other in product(found["gold"], found["answer"]):
        try:
            equal = verify(
                one,
                other,
                float_rounding=request["rounding"],
                timeout_seconds=None,
                raise_on_error=True,
                **request["options"],
            )
        except MemoryError:
            raise
        except Exception:  # this pair cannot be compared; another may be equal
            failed = True
            continue
        if equal and (searching or not _apart(one, other)):
            return "equal"
    return "error" if failed and not searching else "different"


def _apart(one: Any, other: Any) -> bool:
    """Whether they are exact numbers that differ: Math-Verify rounds, and takes 1/2^99 for 1/2^98.

    A percent sign makes 28% equal to 28, which is left as it is.
    """
    from sympy import Expr, Float, Rational

    if not all(isinstance(side, Expr) and side.is_number and not side.has(Float) for side in (one, other)):
        return False
    if any(side.has(Rational(1, 100)) for side in (one, other)):
        return False
    difference = (one - other).doit()
    return bool(difference.is_Rational and difference != 0)


def main() -> None:
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    if sys.platform == "linux":
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY if hard == resource.RLIM_INFINITY else min(MEMORY, hard), hard))
    logging.disable(logging.CRITICAL)
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not stand among the answers
    parent = os.getppid()
    import math_verify  # noqa: F401 - the start pays for it, not the first comparison

    _say(answers, "ready")
    buffer = b""
    while True:
        # The pipe may be held open by other children of a parent that was killed.
        while b"\n" not in buffer:
            if not select.select([0], [], [], 1.0)[0]:
                if os.getppid() != parent:
                    return
                continue
            data = os.read(0, 1 << 16)
            if not data:
                return
            buffer += data
        line, _, buffer = buffer.partition(b"\n")
        request = json.loads(line)
        signal.setitimer(signal.ITIMER_REAL, request["seconds"] + GRACE)
        result = answer(request)
        signal.setitimer(signal.ITIMER_REAL, 0)
        _say(answers, result)


def _say(answers: Any, word: str) -> None:
    answers.write(json.dumps(word).encode() + b"\n")
    answers.flush()


if __name__ == "__main__":
    sys.setrecursionlimit(5000)
    main()
