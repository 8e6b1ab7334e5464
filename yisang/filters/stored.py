"""Reads what earlier steps have stored with a record; what they have not stored is an error, never a pass."""

from __future__ import annotations

from yisang.records import Record, Trace


class NotMeasured(KeyError):
    """A decision needs a measure or verdict that no step before it has stored."""

    def __str__(self) -> str:  # KeyError would show the message in quotes
        return str(self.args[0])


def number(record: Record, name: str, hint: str) -> float | None:
    """The measure `name`, None where it was measured and has no value. `hint` says which step stores it."""
    if name not in record.measures:
        raise NotMeasured(_missing(record, "measure", name, sorted(record.measures), hint))
    value = record.measures[name]
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise TypeError(f"Measure {name!r} of {record.kind_name} {record.id} is {value!r}, which is no number.")
    return value


def verdict(trace: Trace, name: str, hint: str) -> str:
    """The verdict `name`. `hint` says which step stores it."""
    if name not in trace.verdicts:
        raise NotMeasured(_missing(trace, "verdict", name, sorted(trace.verdicts), hint))
    return trace.verdicts[name]


def _missing(record: Record, what: str, name: str, has: list[str], hint: str) -> str:
    whose = f"{record.kind_name.capitalize()} {record.id}"
    return f"{whose} has no {what} {name!r} (it has: {', '.join(has) or 'none'}). {hint}"
