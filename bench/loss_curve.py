"""The loss of a training as a chart that Markdown shows (Mermaid): python -m bench.loss_curve out/mini/log.jsonl"""

from __future__ import annotations

import json
import sys
from pathlib import Path

POINTS = 28


def chart(log: Path) -> str:
    """log: the log.jsonl of a training. Of more lines than POINTS, every so many; the last one always."""
    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    every = -(-len(lines) // POINTS)
    shown = lines[::-1][::every][::-1]
    steps = ", ".join(f'"{line["step"]}"' for line in shown)
    losses = ", ".join(f"{line['loss']:.3f}" for line in shown)
    return f'```mermaid\nxychart-beta\n  x-axis "step" [{steps}]\n  y-axis "loss"\n  line [{losses}]\n```'


if __name__ == "__main__":
    print(chart(Path(sys.argv[1])))
