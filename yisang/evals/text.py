"""Results as tables for a person."""

from __future__ import annotations

from collections.abc import Sequence

from yisang.evals.compare import Comparison
from yisang.evals.rescore import Rescored
from yisang.evals.results import Results
from yisang.evals.summary import Measure, Summary

_HEAD = ("", "items", "answers", "score", "95 %", "mean ± SE", "cut", "unparsed", "unjudged", "failed")
NOTE = (
    "score: the mean over items, in per cent, with its 95 % interval (Wilson); mean ± SE: over runs. Shares of all answers: cut "
    "off at the limit of tokens, unparsed, unjudged, failed. The last two enter no score."
)


def results_text(results: Results) -> str:
    """The scores of an evaluation, a line for each benchmark and each of its cells."""
    lines = [f"{results.model} at {results.revision[:19]}, protocol {results.protocol.name}", ""]
    rows: list[Sequence[str]] = [_HEAD]
    for bench in results.benches:
        rows.append(_row(bench.label, bench.overall))
        if len(bench.cells) > 1:
            rows += [_row(f"  {bench.cell} {cell}", summary) for cell, summary in bench.cells.items()]
    lines += _table(rows)
    if results.average is not None:
        lines.append(f"average of {len(results.benches)} benchmarks: {_percent(results.average)}")
    for bench in results.benches:
        lines += _measures(bench.label, bench.cell, bench.primary, bench.overall, bench.cells)
    counts = results.counts
    lines += ["", NOTE, f"answers: {counts.asked:,} asked, {counts.reused:,} from the store, {counts.failed:,} failed"]
    return "\n".join(lines)


def rescored_text(rescored: Rescored) -> str:
    """The scores of a file."""
    rows: list[Sequence[str]] = [_HEAD, _row(rescored.file, rescored.overall)]
    rows += [_row(f"  {cell}", summary) for cell, summary in rescored.cells.items()]
    lines = [f"protocol {rescored.protocol.name}", "", *_table(rows)]
    lines += _measures(rescored.file, "", rescored.primary, rescored.overall, rescored.cells)
    return "\n".join([*lines, "", NOTE])


def comparison_text(comparison: Comparison) -> str:
    """How two runs differ."""
    rows: list[Sequence[str]] = [("", "measure", "pairs", "A", "B", "B - A", "95 %", "better", "worse", "equal")]
    notes = []
    for bench in comparison.benches:
        interval = (
            "" if bench.low is None or bench.high is None else f"{100 * bench.low:+.1f} to {100 * bench.high:+.1f}"
        )
        difference = "none" if bench.difference is None else f"{100 * bench.difference:+.1f}"
        numbers = map(str, (bench.better, bench.worse, bench.equal))
        rows.append(
            (
                bench.bench,
                bench.measure,
                str(bench.pairs),
                _percent(bench.a),
                _percent(bench.b),
                difference,
                interval,
                *numbers,
            )
        )
        if bench.only_a or bench.only_b or bench.unscored:
            notes.append(
                f"{bench.bench}: {bench.only_a} items only in A, {bench.only_b} only in B, {bench.unscored} without a judged answer "
                "on one side"
            )
    sides = [
        f"{name}: {side['model']} at {side['revision'][:19]} ({side['folder']})" for name, side in _sides(comparison)
    ]
    return "\n".join(
        [*sides, f"protocol {comparison.protocol}; points of per cent, paired by item", "", *_table(rows), *notes]
    )


def _sides(comparison: Comparison) -> list[tuple[str, dict[str, str]]]:
    return [("A", comparison.a), ("B", comparison.b)]


def _row(name: str, summary: Summary) -> tuple[str, ...]:
    runs = summary.runs
    error = "" if runs.mean is None or runs.error is None else f"{100 * runs.mean:.1f} ± {100 * runs.error:.1f}"
    shares = (summary.truncated, summary.unparsed, summary.unjudged, summary.infra_error)
    return (
        name,
        str(summary.items),
        str(summary.answers),
        _percent(summary.score.mean),
        _interval(summary.score),
        error,
        *("?" if share is None else f"{share:.1%}" for share in shares),
    )


def _measures(label: str, cell: str, primary: str, overall: Summary, cells: dict[str, Summary]) -> list[str]:
    """Tables of the other measures and of pass@k, where there are any."""
    lines: list[str] = []
    others = {name: "measure" for name in overall.measures if len(overall.measures) > 1}
    ks = dict.fromkeys(overall.pass_at_k, "pass")
    for names, title in ((others, f"measures (score: {primary})"), (ks, "pass@k")):
        if not names:
            continue
        rows: list[Sequence[str]] = [("", *(f"pass@{name}" if names is ks else name for name in names))]
        for shown, summary in [("all", overall), *((f"{cell} {name}".strip(), found) for name, found in cells.items())]:
            held = summary.pass_at_k if names is ks else summary.measures
            rows.append((f"  {shown}", *(_with_interval(held.get(name)) for name in names)))
        lines += ["", f"{label}: {title}", *_table(rows)]
    return lines


def _with_interval(measure: Measure | None) -> str:
    return "none" if measure is None or measure.mean is None else f"{_percent(measure.mean)} ({_interval(measure)})"


def _percent(value: float | None) -> str:
    return "none" if value is None else f"{100 * value:.1f}"


def _interval(measure: Measure) -> str:
    return "" if measure.low is None or measure.high is None else f"{100 * measure.low:.1f}-{100 * measure.high:.1f}"


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Aligned columns: the first to the left, numbers to the right."""
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    return [
        "  ".join(
            cell.ljust(width) if not place else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
