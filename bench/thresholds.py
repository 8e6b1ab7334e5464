"""The bounds of the checks of a trace, tried on labelled samples: precision and recall of each, the defaults marked by *.

python -m bench.thresholds [--samples FOLDER] [--errors] [CHECK ...]

Without a folder the samples that ship with yisang are read (yisang/filters/samples). One bound is changed at a time. The first
figures are of the samples that bounds and patterns were chosen on, those in brackets of the files held*.jsonl, which were written when
the choice was made; counts stand behind them. --errors names the samples at which a check's default is wrong.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence

from yisang.errors import YisangError
from yisang.filters.samples import Sample, read_samples
from yisang.filters.tuning import CHECKS, Score, score


def figures(found: Score, held: Score) -> str:
    shares = (
        f"{'–' if share is None else f'{share:.3f}':>8}"
        for share in (found.precision, found.recall, held.precision, held.recall)
    )
    labelled = len(found.hits) + len(found.missed)
    others = len(held.hits) + len(held.missed)
    return (
        f"{'{}{}   ({}{} )'.format(*shares)}   {len(found.hits)} of {labelled} found, {len(found.false)} false"
        f"   ({len(held.hits)} of {others}, {len(held.false)} false of {len(held.false) + held.others})"
    )


def show(name: str, samples: Sequence[Sample], held: Sequence[Sample], errors: bool) -> None:
    check = CHECKS[name]
    print(f"\n{name:28}precision  recall   (    held-out )")
    default = score(name, samples), score(name, held)
    if not check.bounds:
        print(f"  {'no bound':24} *{figures(*default)}")
    for bound, values in check.bounds.items():
        for value in values:
            mark = "*" if value == check.default(bound) else " "
            tried = (score(name, part, **{bound: value}) for part in (samples, held))
            print(f"  {f'{bound} = {value}':24} {mark}{figures(*tried)}")
    every = [*samples, *held]
    if name == "pii":
        kinds = Counter(sample.labels.pii for sample in every if sample.labels.pii)
        hits = Counter(sample.labels.pii for sample in every if sample.id in {*default[0].hits, *default[1].hits})
        print(
            "  all, by kind: " + ", ".join(f"{kind} {hits[kind]} of {count}" for kind, count in sorted(kinds.items()))
        )
    if errors:
        texts = {sample.id: f"{sample.why}: {sample.text[-80:]!r}" for sample in every}
        for what in ("false", "missed"):
            for one in (one for found in default for one in getattr(found, what)):
                print(f"  {what}: {one}, {texts[one]}")


def main() -> int:
    parser = argparse.ArgumentParser(description="The bounds of the checks of a trace, tried on labelled samples.")
    parser.add_argument("checks", nargs="*", metavar="CHECK", help=", ".join(CHECKS))
    parser.add_argument("--samples", help="a folder of .jsonl files; those that ship where it is not given")
    parser.add_argument("--errors", action="store_true", help="name the samples at which a default is wrong")
    chosen = parser.parse_args()
    if unknown := [name for name in chosen.checks if name not in CHECKS]:
        parser.error(f"there is no check {unknown[0]!r}; there are {', '.join(CHECKS)}")
    try:
        samples = read_samples(chosen.samples)
    except YisangError as error:
        print(error, file=sys.stderr)
        return 2
    tuned, held = ([sample for sample in samples if sample.held is held] for held in (False, True))
    print(f"{len(tuned)} labelled samples, and {len(held)} that were held out")
    for name in chosen.checks or CHECKS:
        show(name, tuned, held, chosen.errors)
    return 0


if __name__ == "__main__":
    sys.exit(main())
