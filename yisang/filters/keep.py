"""The decision about a trace, on the verdicts and measures that the checks have stored with it.

The paper's bounds (arXiv 2510.04230, section 5.3): one think block, an answer in the target language, and 5 %
to 20 % of target-language characters, here of the think part.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from yisang.errors import UsageError
from yisang.filters.stored import number, verdict
from yisang.records import Drop, Trace

Bounds = tuple[float | None, float | None]
_HINT = "Add the check that stores it before Each(Keep(...)), or mend the name."


@dataclass(frozen=True)
class Keep:
    """Keeps a trace whose verdicts are all allowed ones and whose measures are all within their bounds.

        Keep(verdicts={"structure": ("one",)}, measures={"think_target_share": (0.05, 0.20)})

    Bounds are included; None leaves an end open. The first thing that fails gives the reason, verdicts before
    measures, each by name: `structure_several`, `think_target_share_low`, `_high`, or `_missing` where it was
    measured and has no value. A verdict or measure that the trace does not have at all is an error.
    """

    verdicts: Mapping[str, Iterable[str]] | tuple[tuple[str, tuple[str, ...]], ...] = ()
    measures: Mapping[str, Bounds] | tuple[tuple[str, Bounds], ...] = ()

    def __post_init__(self) -> None:
        verdicts = {name: _allowed(name, values) for name, values in dict(self.verdicts).items()}
        measures = {name: _bounds(name, bounds) for name, bounds in dict(self.measures).items()}
        if not verdicts and not measures:
            raise UsageError("Keep: neither verdicts nor measures are given, so it would keep everything.")
        # Tuples can be hashed and pickled; sorted, the order in which a recipe names them does not matter.
        object.__setattr__(self, "verdicts", tuple(sorted(verdicts.items())))
        object.__setattr__(self, "measures", tuple(sorted(measures.items())))

    def __call__(self, trace: Trace) -> Trace | Drop:
        # All are looked up before any decides, so that a missing check is found on the first trace.
        found = [(name, verdict(trace, name, _HINT), allowed) for name, allowed in dict(self.verdicts).items()]
        for name, value, allowed in found:
            if value not in allowed:
                return Drop(f"{name}_{value}", {name: value, "allowed": list(allowed)})
        # A trace without the parts that are measured has been dropped by now, if a verdict asks for them.
        for name, (low, high) in dict(self.measures).items():
            share = number(trace, name, _HINT)
            evidence = {name: share, "low": low, "high": high}
            if share is None:
                return Drop(f"{name}_missing", evidence)
            # Written so that a NaN is within no bounds.
            if low is not None and not share >= low:
                return Drop(f"{name}_low", evidence)
            if high is not None and not share <= high:
                return Drop(f"{name}_high", evidence)
        return trace


def _allowed(name: str, values: Iterable[str]) -> tuple[str, ...]:
    allowed = () if isinstance(values, str) else tuple(sorted(set(values)))
    if not allowed or not all(isinstance(value, str) for value in allowed):
        raise UsageError(f"Keep: verdict {name} allows {values!r}; give a tuple of words, such as ('one',).")
    return allowed


def _bounds(name: str, bounds: Any) -> Bounds:
    if not isinstance(bounds, tuple | list) or len(bounds) != 2:
        raise UsageError(f"Keep: the bounds of {name} are {bounds!r}; give (low, high), with None for an open end.")
    for bound in bounds:
        if bound is not None and (isinstance(bound, bool) or not isinstance(bound, int | float)):
            raise UsageError(f"Keep: a bound of {name} is {bound!r}, which is no number.")
    low, high = bounds
    if (low is None and high is None) or (low is not None and high is not None and not low <= high):
        raise UsageError(f"Keep: the bounds of {name} are {bounds!r}; low must not be above high, and one must be set.")
    return low, high
