"""Where the thinking of an answer ends: one reading of the tags for the grader and for worded tasks."""

from __future__ import annotations

from yisang.languages.markup import without

_OPEN, _CLOSE = "<think>", "</think>"


def after_thinking(text: str) -> str | None:
    """The answer behind the thinking; None where the thinking never ends.

    The thinking ends at the first closing tag, as in the paper's scorer (arXiv 2510.04230). Blocks behind it are
    thinking too, and so is all behind one that stays open. Without tags all is answer. What is one block or none is so
    for `split_think` as well.
    """
    close = text.find(_CLOSE)
    if close < 0:
        started = text.lstrip().startswith(_OPEN) or _OPEN in without(text, ("code",))
        return None if started else text
    answer = text[close + len(_CLOSE) :]
    if _OPEN not in without(answer, ("code",)):
        return answer
    kept, place = [], 0
    while (start := answer.find(_OPEN, place)) >= 0 and (end := answer.find(_CLOSE, start)) >= 0:
        kept.append(answer[place:start])
        place = end + len(_CLOSE)
    return "".join([*kept, answer[place:]]).partition(_OPEN)[0]
