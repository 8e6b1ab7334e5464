"""What teaching is like and what it costs, in a sentence."""

from __future__ import annotations

from yisang.errors import UsageError
from yisang.teachers.asking import Counters

Price = tuple[float, float]
"""For a million prompt tokens and for a million completion tokens, in any currency."""


def price_of(text: str) -> Price | None:
    """A price as it is written on the command line: "0.10,0.40"; None for nothing."""
    if not text:
        return None
    try:
        prices = [float(part) for part in text.split(",")]
    except ValueError:
        prices = []
    if len(prices) != 2 or not all(0 <= price < float("inf") for price in prices):
        raise UsageError(
            f"--price {text!r} is no price. Write what a million prompt tokens and a million completion tokens cost: 0.10,0.40"
        )
    return prices[0], prices[1]


def cost(prompt_tokens: float, completion_tokens: float, price: Price) -> float:
    return (prompt_tokens * price[0] + completion_tokens * price[1]) / 1_000_000


def told(counters: Counters, seconds: float, price: Price | None = None) -> str:
    """How many requests were answered, are in flight and failed; tokens per second and answer; finish reasons; money.

    Tokens are those that the engine reported; nothing is said of what it did not.
    """
    tally = counters.tally
    given = sum(tally.finish_reasons.values())
    said = [f"{given:,} answered"]
    said += [f"{count:,} {what}" for count, what in (
        (counters.reused, "from the store"),
        (counters.in_flight, "in flight"),
        (counters.rejected, "failed"),
    ) if count]  # fmt: skip
    if tally.completion_tokens and seconds > 0:
        said.append(f"{tally.completion_tokens / seconds:,.0f} tokens/s")
    half, most = tally.length_at(0.5), tally.length_at(0.9)
    if half is not None:
        said.append(f"length p50 {half:,}, p90 {most:,} tokens")
    if given:
        reasons = sorted(tally.finish_reasons.items(), key=lambda item: (-item[1], item[0]))
        said.append("finish " + ", ".join(f"{name} {count / given:.1%}" for name, count in reasons))
    if price is not None and given > tally.unreported:
        money = f"{cost(tally.prompt_tokens, tally.completion_tokens, price):,.2f}"
        unknown = f" and that of {tally.unreported:,} answers without a count of tokens" if tally.unreported else ""
        said.append(f"cost {money}{unknown}")
    return ", ".join(said[:1]) + "".join(f", {part}" for part in said[1:])
