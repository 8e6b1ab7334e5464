"""Traces that say the same again and again, and texts that only look alike."""

from __future__ import annotations

import random

import pytest

from yisang.errors import UsageError
from yisang.filters.repetition import PASSAGE, Repetition, repeats
from yisang.records import Prompt, Trace
from yisang.tasks.problems import Request, make_problem

NAMES = ["곰", "여우", "사자", "기린", "토끼", "사슴", "늑대", "하마", "수달", "너구리"]
PLAIN = " ".join(
    make_problem(Request("ko", 4, 8, mode="mixed", preset="general"), 3, number).trace for number in range(12)
)
"""About 6,000 characters of solutions, none twice."""


def trace(text: str) -> Trace:
    return Trace(id="p/0", prompt=Prompt(id="p", text="?", language="ko"), sample=0, text=text, teacher="t", revision="1",
                 finish_reason="stop", usage={}, think=None, answer=None)  # fmt: skip


def verdict(text: str, **bounds: float) -> str:
    found = Repetition(**bounds)(trace(text))
    assert isinstance(found, Trace)
    return found.verdicts["repetition"]


LOOPS = {
    "a Korean sentence": ("back_to_back", PLAIN[:900] + " 따라서 답은 12이다. 다시 확인해 보자." * 8),
    "a word": ("back_to_back", PLAIN[:900] + " 아니" * 60),
    "a letter": ("back_to_back", PLAIN[:900] + "ㅋ" * 200),
    "without blanks (Japanese)": ("back_to_back", PLAIN[:900] + "したがって答えは十二です。" * 12),
    "two lines in turn": ("back_to_back", PLAIN[:900] + "\nSo 곰 = 3 + 4 = 7.\nWait, is that right?" * 10),
    "lines broken elsewhere each time": (
        "back_to_back",
        PLAIN[:900] + "".join(f" the value{' ' if n % 2 else chr(10)}of 여우 is then eleven," for n in range(10)),
    ),
    "a long unit": ("back_to_back", PLAIN[:400] + (PLAIN[400:1000] + " ") * 7),
    "the same line between others": (
        "line",
        "\n".join(f"Wait, let me check that once more.\n{PLAIN[n * 61 : n * 61 + 60]}" for n in range(8)),
    ),
    "the same passage between others": (
        "passage",
        " ".join(f"but wait, the problem says that the 곰 lives alone {NAMES[n % 10]}{n}" for n in range(30)),
    ),
    "eight sentences in any order": (
        "compression",
        PLAIN[:200] + " ".join(random.Random(1).choices([f"잠깐, {name} 말이다." for name in NAMES[:8]], k=600)),
    ),
}


@pytest.mark.parametrize("name", LOOPS)
def test_a_loop_is_named_by_the_first_rule_that_sees_it(name: str) -> None:
    expected, text = LOOPS[name]
    assert verdict(text) == expected
    assert verdict(PLAIN[: len(text)]) == "none"


ALIKE = {
    "solutions": PLAIN,
    "a sum said three times": PLAIN[:900] + " So the answer is 12." * 3,
    "a refrain": "\n".join(f"{PLAIN[n * 90 : n * 90 + 80]}\n아리랑 아리랑 아라리요, 아리랑 고개로 넘어간다" for n in range(5)),
    "a table": PLAIN[:600] + "\n|" + "---|" * 40 + "\n" + "\n".join(f"| {a} | {len(a)} | {n} |" for n, a in enumerate(NAMES)),
    "a rule of signs": PLAIN[:600] + "\n" + "=" * 300,
    "options": "\n".join(f"({n}) {name}의 수는 {n * 7}마리이다." for n, name in enumerate(NAMES)),
    "a multiplication table": "\n".join(f"{a} × {b} = {a * b}" for a in range(2, 10) for b in range(1, 10)),
    "code": "\n".join(f"    if kind == {n}:\n        return values[{n}] + 1" for n in range(20)),
    "a repeating decimal": PLAIN[:600] + " 1/7 = 0." + "142857" * 12,
    "nothing": "",
    "blanks": " \n ",
}  # fmt: skip


@pytest.mark.parametrize("name", ALIKE)
def test_what_only_looks_alike_passes(name: str) -> None:
    assert verdict(ALIKE[name]) == "none"


@pytest.mark.parametrize("seed", range(20))
def test_the_unit_and_its_times_are_found_where_they_were_put(seed: int) -> None:
    draw = random.Random(seed)
    letters = "abcdefghijklmnop 가나다라마바사"
    unit = "".join(draw.choice(letters.replace(" ", "")) for _ in range(draw.randint(2, 300)))
    times = draw.randint(max(2, -(-3 * PASSAGE // len(unit))), 60)
    before, behind = ("".join(draw.choice(letters[:9]) for _ in range(draw.randint(0, 2000))) for _ in range(2))
    found = repeats(f"{before}Q{unit * times}Q{behind}")
    # What stands around it may go on with it for a letter, and a unit may itself be made of smaller ones.
    assert found.unit * found.times == pytest.approx(len(unit) * times, abs=len(unit))
    assert len(unit) % found.unit == 0


def test_gold_traces_of_all_kinds_are_far_from_every_bound() -> None:
    for language in ("ko", "en", "ja"):
        for preset, most in (("general", 20), ("narrow", 8)):
            request = Request(language, 2, most, mode="target_only" if language == "en" else "mixed", preset=preset)
            for number in range(40):
                found = repeats(make_problem(request, 5, number).trace)
                assert found.lines <= 2
                assert found.passages <= 6
                assert found.unit * found.times < 60
                assert (found.compression or 0) > 0.25


def test_it_reads_the_part_that_it_is_told_and_says_where_there_is_none() -> None:
    from msgspec.structs import replace

    loop = "그런데 다시 보면 곰이다. " * 30
    one = replace(trace(f"<think>{loop}</think>답은 3이다."), think=loop, answer="답은 3이다.")
    for part, expected in (("text", "back_to_back"), ("think", "back_to_back"), ("answer", "none")):
        assert Repetition(part=part)(one).verdicts == {"repetition": expected}  # type: ignore[arg-type]
    assert Repetition(part="answer")(replace(one, answer=None)).verdicts == {"repetition": "missing"}


def test_bounds_move_verdicts_and_bear_identity() -> None:
    text = LOOPS["a Korean sentence"][1]
    assert verdict(text, back_to_back=9, lines=100, passages=100) == "none"
    assert Repetition(back_to_back=9).identity() != Repetition().identity()


@pytest.mark.parametrize(
    "bounds",
    [
        {"part": "question"},
        {"lines": 1},
        {"passages": 0},
        {"back_to_back": 1},
        {"compression": 2.0},
        {"share": -1},
        {"covered": -1},
        {"long": -1},
    ],
)
def test_a_bound_that_cannot_be_is_refused(bounds: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="Repetition"):
        Repetition(**bounds)  # type: ignore[arg-type]


def test_lone_surrogates_and_a_million_letters_are_no_trouble() -> None:
    assert verdict("\ud800 곰" * 100) == "back_to_back"
    assert verdict("다시 " * 350_000) == "back_to_back"
