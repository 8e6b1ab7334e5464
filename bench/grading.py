"""Math-Verify's own test pairs through our wrapper of it, from a thread and from forked and spawned processes.

python -m bench.grading

The pairs are read from the source distribution of the installed release, which pip fetches; none of them is kept here.
Beside each stands what the release says of it without a wrapper. Exits with 1 where the wrapper says something else.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import multiprocessing
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from yisang.grading.symbolic import CHILD

SECONDS = 60.0
"""For one comparison. The library itself allows 5 and 5."""


@dataclass(frozen=True)
class Pair:
    """A call that the release's tests make, and what they want of it."""

    file: str
    gold: str
    answer: str
    expected: bool
    kinds: tuple[Any, ...] = ("latex", "expr")
    precision: int = 6
    strict: bool = True
    allow_set_relation_comp: bool = False


def fetched(folder: Path) -> Path:
    version = importlib.metadata.version("math-verify")
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    subprocess.run([*pip, "--no-binary", "math-verify", "-d", folder, f"math-verify=={version}"], check=True)
    (archive,) = folder.glob("math_verify-*.tar.gz")
    with tarfile.open(archive) as file:
        file.extractall(folder, filter="data")
    return folder / f"math_verify-{version}"


def pairs_of(root: Path) -> tuple[list[Pair], list[str]]:
    """The pairs of all test files, and the files that have none (they test its settings and its time limits)."""
    sys.path.insert(0, str(root))
    pairs: list[Pair] = []
    without: list[str] = []
    for path in sorted((root / "tests").glob("test_*.py")):
        module = importlib.import_module(f"tests.{path.stem}")
        if not Path(str(module.__file__)).is_relative_to(root):
            raise SystemExit(f"tests.{path.stem} was imported from {module.__file__}, not from the release")
        before = len(pairs)
        for name, function in vars(module).copy().items():
            if name.startswith("test_") and "pytestmark" in vars(function):
                pairs += _calls(path.name, module, function)
        if len(pairs) == before:
            without.append(path.name)
    return pairs, without


def _calls(file: str, module: Any, function: Any) -> list[Pair]:
    """What a parametrised test asks, found by running it with the asking functions replaced."""
    found: list[Pair] = []
    (mark,) = [mark for mark in function.pytestmark if mark.name == "parametrize"]
    names = [name.strip() for name in mark.args[0].split(",")]
    wanted = next((name for name in ("expected", "result") if name in names), None)
    if wanted is None or "gold" not in names:
        return []

    def compare_strings(
        gold: str,
        pred: str,
        match_types: Sequence[str] = ("latex", "expr"),
        precision: int = 6,
        strict: bool = True,
        allow_set_relation_comp: bool = False,
    ) -> int:
        found.append(
            Pair(file, gold, pred, bool(current), tuple(match_types), precision, strict, allow_set_relation_comp)
        )
        return current

    def verify(gold: str, pred: str) -> int:
        return compare_strings(gold, pred)

    stand_ins: dict[str, Callable[..., Any]] = {"compare_strings": compare_strings, "verify": verify, "parse": str}
    kept = {name: getattr(module, name) for name in stand_ins if hasattr(module, name)}
    for name in kept:
        setattr(module, name, stand_ins[name])
    for values in mark.args[1]:
        current = values[names.index(wanted)]
        function(**dict(zip(names, values, strict=True)))
    for name, value in kept.items():
        setattr(module, name, value)
    if len(found) != len(mark.args[1]):
        raise SystemExit(f"{file}: {function.__name__} has {len(mark.args[1])} pairs, of which {len(found)} were asked")
    return found


def by_the_library(pair: Pair) -> bool:
    from math_verify import ExprExtractionConfig, LatexExtractionConfig, parse, verify  # type: ignore[import-untyped]

    known = {"latex": LatexExtractionConfig(boxed_match_priority=0), "expr": ExprExtractionConfig()}
    targets = [known[kind] for kind in pair.kinds]
    options = {"strict": pair.strict, "allow_set_relation_comp": pair.allow_set_relation_comp}
    gold, answer = parse(pair.gold, targets), parse(pair.answer, targets)
    return bool(verify(gold, answer, float_rounding=pair.precision, **options))


def by_the_wrapper(pairs: list[Pair]) -> list[str]:
    return [
        CHILD.compare(
            pair.gold,
            pair.answer,
            SECONDS,
            pair.precision,
            search=pair.kinds,
            strict=pair.strict,
            allow_set_relation_comp=pair.allow_set_relation_comp,
        )
        for pair in pairs
    ]


def _put(queue: Any, pairs: list[Pair]) -> None:
    queue.put(by_the_wrapper(pairs))


def in_a_process(method: str, pairs: list[Pair]) -> list[str]:
    context: Any = multiprocessing.get_context(method)
    queue = context.Queue()
    process = context.Process(target=_put, args=(queue, pairs))
    process.start()
    result: list[str] = queue.get(timeout=SECONDS * len(pairs))
    process.join()
    return result


def in_a_thread(pairs: list[Pair]) -> list[str]:
    result: list[str] = []
    thread = threading.Thread(target=lambda: result.extend(by_the_wrapper(pairs)))
    thread.start()
    thread.join()
    return result


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        pairs, without = pairs_of(fetched(Path(folder)))
    ways: dict[str, Callable[[], list[str]]] = {
        "thread": lambda: in_a_thread(pairs),
        "fork": lambda: in_a_process("fork", pairs),
        "spawn": lambda: in_a_process("spawn", pairs),
    }
    print(
        f"math-verify {importlib.metadata.version('math-verify')}, {len(pairs)} pairs; no pairs in {', '.join(without)}\n"
    )
    library = [by_the_library(pair) for pair in pairs]
    results: dict[str, list[str]] = {}
    for name, run in ways.items():
        started = time.monotonic()
        results[name] = run()
        print(f"{name}: {time.monotonic() - started:.0f} s, {dict(Counter(results[name]))}")
    right = {"library": [found == pair.expected for found, pair in zip(library, pairs, strict=True)]}
    for name, found in results.items():
        right[name] = [(one == "equal") == pair.expected for one, pair in zip(found, pairs, strict=True)]
    print(f"\n{'':28} {'pairs':>6}" + "".join(f" {name:>8}" for name in right))
    for file in dict.fromkeys(pair.file for pair in pairs):
        rows = [number for number, pair in enumerate(pairs) if pair.file == file]
        print(f"{file:28} {len(rows):6}" + "".join(f" {sum(each[row] for row in rows):8}" for each in right.values()))
    print(f"{'all':28} {len(pairs):6}" + "".join(f" {sum(each):8}" for each in right.values()))
    failed = 0
    for (name, each), (number, pair) in product(right.items(), enumerate(pairs)):
        if each[number]:
            continue
        ours = name != "library"
        new = ours and right["library"][number]
        failed += new
        gold, answer = (text if len(text) <= 60 else "…" + text[-60:] for text in (pair.gold, pair.answer))
        said = results[name][number] if ours else library[number]
        note = " WORSE THAN THE LIBRARY" if new else ""
        print(f"{name}: {pair.file}: {gold!r} and {answer!r}: {said}, wanted {pair.expected}{note}")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
