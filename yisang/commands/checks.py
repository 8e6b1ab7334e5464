"""What works on this machine."""

from __future__ import annotations

from yisang.commands.options import JsonOption
from yisang.commands.output import print_json


def doctor(as_json: JsonOption = False) -> None:
    """Says which engines, runners and extras work here, and the command that mends each that does not."""
    from yisang.doctor import examine, findings_text

    findings = examine()
    if as_json:
        print_json(findings)
    else:
        print(findings_text(findings))
