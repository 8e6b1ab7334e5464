"""Makes the labelled samples that come of worded tasks, the scripted teacher's faults and patterns, for `bench.thresholds`.

python -m bench.samples [FILE]

The same each time. What it writes stands in yisang/filters/samples/made.jsonl, and a test compares the two.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec

from yisang.filters.samples import Labels, Sample
from yisang.tasks.addition import make_sum
from yisang.tasks.draw import Draw
from yisang.tasks.problems import Request, make_problem
from yisang.teachers.engines.scripted import Scripted, revision
from yisang.teachers.generation import Sampling
from yisang.teachers.prompts import MixedPrompt

FILE = "made.jsonl"
NAMES = ("곰", "여우", "사자", "기린", "토끼", "사슴", "늑대", "하마", "수달", "너구리")
SENTENCES = {
    "ko": (
        "곰은 여우보다 세 마리 많다.",
        "다시 한번 확인해 보자.",
        "이 조건을 식으로 쓰면 다음과 같다.",
        "잠깐, 문제를 다시 읽어 보자.",
    ),
    "en": (
        "Wait, let me check that again.",
        "So the first number is larger.",
        "Let me read it once more.",
        "That cannot be right.",
    ),
    "ja": (
        "もう一度確かめてみよう。",
        "したがって最初の数の方が大きい。",
        "問題を読み直そう。",
        "これは正しくないはずだ。",
    ),
}


def gold() -> Iterator[Sample]:
    """Solutions in the three modes of thought: nothing is wrong with them, and one mode is mixed."""
    for language, modes in (
        ("ko", ("mixed", "target_only", "english_only")),
        ("ja", ("mixed", "target_only")),
        ("en", ("target_only",)),
    ):
        for mode in modes:
            for number in range(10):
                preset = ("general", "narrow")[number % 2]
                most = (10, 6)[number % 2]
                found = make_problem(Request(language, 3, most, mode=mode, preset=preset), 17, number)
                mixed = None if language == "en" else mode == "mixed"
                labels = Labels(answer_language="target", mixed=mixed)
                yield made(language, found.question, found.trace, labels, f"a solution, thoughts {mode}")
    for number in range(6):
        item = make_sum("ko", 8, 12, 1, number)
        yield made("ko", item.question, item.trace, Labels(), "a sum with its scratchpad, digit after digit")


def faulty() -> Iterator[Sample]:
    """Answers of the scripted teacher with one known fault. Half of those that were cut say that they were not."""
    asked = MixedPrompt("ko", "mixed")
    for fault, labels in (
        ("looping", Labels(repetition=True, unfinished=True)),
        ("truncated", Labels(unfinished=True)),
        ("wrong_language", Labels(answer_language="other", mixed=True)),
        ("share", Labels(answer_language="target", mixed=False)),
    ):
        engine = Scripted(revision=revision({fault: 1.0}, seed=3))
        for number in range(20):
            problem = make_problem(Request("ko", 3, 8), 23, number)
            prompt = problem.prompt("samples")
            found = asyncio.run(engine.generate(asked.messages(prompt), Sampling(), 0))
            lies = number % 2 == 1 and fault == "truncated"
            why = f"scripted fault {fault}" + (", and the engine says that it had ended" if lies else "")
            yield made("ko", problem.question, found.text, labels, why, "stop" if lies else found.finish_reason)


def loops() -> Iterator[Sample]:
    """A sentence, or three in turn, in a solution: said up to three times, or eight times and more."""
    for number in range(30):
        language = ("ko", "en", "ja")[number % 3]
        draw = Draw("loops", number)
        mode: Any = "target_only" if language == "en" else "mixed"
        think = make_problem(Request(language, 3, 8, mode=mode), 29, number).trace.partition("</think>")[0]
        unit = draw.shuffled(SENTENCES[language])[: draw.one((1, 1, 3))]
        loops = number % 2 == 0
        times = draw.between(8, 40) if loops else draw.between(2, 3)
        between = draw.one((" ", "\n"))
        text = f"{think.rstrip()}{between}{between.join([*unit] * times)}\n</think>\n\n\\boxed{{3}}"
        labels = Labels(repetition=loops)
        yield made(language, "?", text, labels, f"{len(unit)} sentences, {times} times in turn")


def passages() -> Iterator[Sample]:
    """One passage again and again between others, and a few sentences in any order: neither stands back to back."""
    problems = [
        make_problem(Request("ko", 3, 8, mode="mixed"), 37, n).trace.partition("</think>")[0] for n in range(12)
    ]
    words = " ".join(text.removeprefix("<think>").strip() for text in problems)
    for number, times in enumerate((2, 3, 4, 6, 8, 16, 20, 30, 40)):
        draw = Draw("passages", number)
        passage = "But wait, let me go back to what the problem says about it:"
        pieces = [words[place : place + 40] for place in (draw.below(len(words) - 40) for _ in range(times))]
        text = words[:1500] + " " + " ".join(f"{passage} {piece}." for piece in pieces)
        labels = Labels(repetition=times > 12, unfinished=None)
        yield made("ko", "?", text, labels, f"a passage between others, {times} times")
    for number, count in enumerate((150, 300, 600)):
        draw = Draw("any order", number)
        drawn = " ".join(f"잠깐, {draw.one(NAMES[:8])} 말이다." for _ in range(count))
        yield made(
            "ko", "?", drawn, Labels(repetition=True, unfinished=None), f"eight sentences in any order, {count} of them"
        )


def alike() -> Iterator[Sample]:
    """Texts whose lines are alike on purpose, which do not repeat themselves."""
    texts = {
        "a multiplication table": "\n".join(f"{a} × {b} = {a * b}" for a in range(2, 10) for b in range(1, 10)),
        "a table of squares": "| n | n² |\n|---|---|\n" + "\n".join(f"| {n} | {n * n} |" for n in range(1, 41)),
        "options": "\n".join(f"({n}) {name}의 수는 {7 * n}마리이다." for n, name in enumerate(NAMES, 1)),
        "a proof by cases": "\n\n".join(
            f"경우 {r}: n을 7로 나눈 나머지가 {r}이면 n = 7k + {r}이다. 이때 n² = 49k² + {14 * r}k + {r * r}이고, 이를 7로 나눈 나머지는 {r * r % 7}이다."
            for r in range(7)
        ),
        "divisors tried one after another": "\n".join(
            f"Check {d}: 9973 / {d} leaves {9973 % d}, so {d} does not divide 9973." for d in (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37)
        ),
        "divisors tried one after another, in long sentences": "\n".join(
            f"We divide 9973 by the prime number {d}, which leaves the remainder {9973 % d}, so {d} is not a divisor of 9973 and we go on with the next prime." for d in (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97)
        ),
        "a long table of squares": "\n".join(f"{n} × {n} = {n * n}" for n in range(1, 200)),
        "a search over pairs": "\n".join(f"a = {a}, b = {b}: a² + b² = {a * a + b * b}" for a in range(1, 13) for b in range(a, 13)),
        "dates of a month": "\n".join(f"2024년 5월 {n}일 {'월화수목금토일'[(n + 1) % 7]}요일: 방문자 {n * n % 91}명" for n in range(1, 32)),
        "a log": "```\n" + "\n".join(f"2024-05-01 12:{n:02}:07 INFO worker {n % 4}: batch {n} done, loss {2.5 - n / 30:.3f}" for n in range(60)) + "\n```",
        "code": "답은 다음과 같다.\n\n```python\n" + "\n".join(f"    if kind == {n}:\n        return values[{n}] + 1" for n in range(20)) + "\n```",
        "records": "[\n" + ",\n".join(f'  {{"id": {n}, "name": "{name}", "count": {n * 3}}}' for n, name in enumerate(NAMES)) + "\n]",
        "a binary expansion": "Write 1000 in binary: " + " ".join(f"{1000 >> n} is {'odd' if 1000 >> n & 1 else 'even'}," for n in range(10)) + " so it is 1111101000.",
        "long division": "1 / 7: " + " ".join(f"10 × {r} = {10 * r}, {10 * r} ÷ 7 = {10 * r // 7}, remainder {10 * r % 7}." for r in (1, 3, 2, 6, 4, 5, 1, 3, 2, 6, 4, 5)),
        "a loop traced by hand": "\n".join(f"i = {n}: total = {n * (n + 1) // 2}" for n in range(1, 31)),
        "a recurrence": "\n".join(f"a({n}) = a({n - 1}) + a({n - 2}) = {n * 3} + {n * 2}" for n in range(2, 20)),
        "a poem with one beginning": "\n".join(f"나는 오늘도 {name} 생각에 잠긴다" for name in NAMES),
        "dialogue": "\n".join(f"{'가' if n % 2 else '나'}: {name}을 보았니?" for n, name in enumerate(NAMES)),
        "a check of every option": "\n\n".join(
            f"Option {'ABCDE'[n]}: we put x = {n + 2} into x² - 5x + 6 and get {(n + 2) ** 2 - 5 * (n + 2) + 6}." for n in range(5)
        ),
        "steps of an algorithm": "\n".join(f"{n}단계: 남은 수 {100 - 7 * n}에서 7을 뺀다." for n in range(1, 13)),
        "digits of pi": "3." + "14159265358979323846264338327950288419716939937510582097494459230781640628620899862803482534211706798",
        "a Japanese enumeration": "\n".join(f"第{n}の場合、nを7で割った余りは{n}である。" for n in range(1, 7)),
        "a matrix": "\\[\\begin{pmatrix}" + " \\\\ ".join(" & ".join(str(int(a == b)) for a in range(8)) for b in range(8)) + "\\end{pmatrix}\\]",
    }  # fmt: skip
    for why, text in texts.items():
        language = "ja" if "Japanese" in why else "ko"
        yield made(language, "설명하라.", text, Labels(unfinished=None), why)


def made(language: str, question: str, text: str, labels: Labels, why: str, finish: str = "stop") -> Sample:
    return Sample(id="", language=language, question=question, text=text, labels=labels, why=why, finish=finish)


def lines() -> bytes:
    found = [*gold(), *faulty(), *loops(), *passages(), *alike()]
    numbered = (msgspec.structs.replace(sample, id=f"made-{n:03}") for n, sample in enumerate(found, 1))
    encoder = msgspec.json.Encoder()
    return b"".join(
        encoder.encode({k: v for k, v in msgspec.to_builtins(sample).items() if k != "held"}) + b"\n"
        for sample in numbered
    )


def main() -> int:
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(str(files("yisang.filters.samples"))) / FILE
    data = lines()
    path.write_bytes(data)
    print(f"{data.count(bytes([10]))} samples in {path.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
