"""How commands print."""

from __future__ import annotations

import json
import sys
from typing import Any


def say(line: str) -> None:
    """What a person follows while a command works; results go to standard output."""
    print(line, file=sys.stderr, flush=True)


def json_line(value: Any) -> str:
    """One line of JSON; escaped where it holds half a character, which no encoding can print."""
    text = json.dumps(value, ensure_ascii=False)
    return json.dumps(value) if any("\ud800" <= sign <= "\udfff" for sign in text) else text


def print_json(value: Any) -> None:
    print(json.dumps(value, ensure_ascii=False, indent=2))
