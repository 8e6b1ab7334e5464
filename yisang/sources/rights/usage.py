"""What a usage preference says of training: the values of Content-Signal and Content-Usage, in robots.txt and in headers.

Content-Signal (https://contentsignals.org): `search=yes, ai-input=yes, ai-train=no`. Content-Usage (draft-ietf-aipref-vocab): a dictionary of
RFC 9651 with `y` and `n`, `train-ai=n`. A label that is not there says nothing; one about training that cannot be read does not allow.
"""

from __future__ import annotations

MAX_VALUE = 2000
"""Characters of a value that are read; a longer one is unreadable."""
SIGNALS = frozenset({"ai-train"})
"""The signal of contentsignals.org that is about training."""
USAGES = frozenset({"train-ai", "train-genai", "bots", "all", "ai", "genai", "tdm"})
"""The categories of draft-ietf-aipref-vocab, present and former, that hold the training of a generative model."""


def content_signal(value: str) -> tuple[bool, str] | None:
    """(allowed, why) of a Content-Signal value; None where it says nothing of training."""
    return _read(value.lower().replace(";", ","), SIGNALS, "yes", "no")


def content_usage(value: str) -> tuple[bool, str] | None:
    """(allowed, why) of a Content-Usage value; None where it says nothing of training. Letters are as they stand: `N` is no value."""
    items = (item.partition(";")[0] for item in value.split(","))
    return _read(",".join(items), USAGES, "y", "n")


def _read(value: str, labels: frozenset[str], yes: str, no: str) -> tuple[bool, str] | None:
    if len(value) > MAX_VALUE:
        return False, f"longer than {MAX_VALUE} characters, so it cannot be read and does not allow"
    joined = "=".join(part.strip() for part in value.split("="))  # "ai-train = no"
    allowed: list[str] = []
    for item in joined.replace(",", " ").split():
        label, mark, stated = item.partition("=")
        if not mark and label.strip('"') not in labels:
            if labels is SIGNALS:
                return False, f"{item!r} is no signal=yes or signal=no, so it cannot be read and does not allow"
            continue
        if label.strip('"') not in labels:
            continue
        if mark and stated == no:
            return False, f"{item}: training on it is not wanted"
        if not mark or stated != yes:
            return False, f"{item!r} is neither {label}={yes} nor {label}={no}, so it cannot be read and does not allow"
        allowed.append(item)
    return (True, f"{', '.join(allowed)}: training on it is allowed") if allowed else None
