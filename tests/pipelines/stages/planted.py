"""Benchmarks with planted copies: every way in which an item leaks, and near misses that are none. Made up from a seed."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from recipes_for_tests.helpers import LICENCE

from yisang.pipelines.stages.benchmarks import Question, Questions
from yisang.records import Prompt, Record, Trace, content_id


def _words(text: str) -> list[str]:
    return text.split()


NOUNS = _words(
    "농부 학생 의사 화가 목수 선장 기차 자전거 우체국 도서관 박물관 시장 강물 바람 구름 별빛 사과나무 감자밭 벽돌 유리창 "
    "지붕 계단 시계탑 연필 공책 물감 악보 북소리 종소리 눈사람 겨울 여름밤 새벽 저녁놀 언덕길 골목 운동장 교실 실험실 현미경 "
    "전구 자석 톱니바퀴 삼각형 원기둥 대각선 확률 함수 그래프 부등식 단백질 세포막 화산재 지진파 판결문 계약서 세금 이자율 환율 주식"
)
VERBS = _words(
    "센다 옮긴다 고친다 그린다 접는다 붙인다 나눈다 더한다 잰다 묻는다 듣는다 적는다 만든다 심는다 연다 닫는다 찾는다"
)
PARTICLES = _words("은 는 이 가 을 를 에서 에게 까지 부터 보다 으로 와 의 도 만")
LATIN = _words("GDP API DNA CPU km LED")


def sentence(draw: random.Random, words: int) -> list[str]:
    """Words of a made-up Korean text: nouns with particles, now and then a number, a Latin word or a verb."""
    found = []
    for place in range(words):
        kind = draw.random()
        if place % 6 == 5:
            found.append(f"{draw.choice(VERBS)}.")
        elif kind < 0.12:
            found.append(f"{draw.randrange(2, 900)}개를")
        elif kind < 0.18:
            found.append(draw.choice(LATIN) + draw.choice(PARTICLES))
        else:
            found.append(draw.choice(NOUNS) + draw.choice(PARTICLES))
    return found


def item(number: int) -> Question:
    """Four kinds: long, short, with options, and one whose words are mostly signs."""
    draw = random.Random(f"item {number}")
    kind = number % 4
    if kind == 1:
        return Question(f"i{number}", " ".join(sentence(draw, 8)) + f" 그 수는 {number}번째이다")
    if kind == 2:
        options = tuple(" ".join(sentence(draw, 4)) for _ in range(4))
        return Question(f"i{number}", f"다음 중 {number}번 글에 맞는 것은?", options)
    if kind == 3:
        letters = draw.sample("abcdefghklmnpqrstuvwxyz", 7)
        return Question(f"i{number}", f"{' + '.join(letters)} = {number} 일 때 해를 구하라")
    return Question(f"i{number}", " ".join([*sentence(draw, 4), f"{number}명이", *sentence(draw, 25)]))


BOILERPLATE = (
    "다음 글을 끝까지 천천히 읽고 물음에 알맞은 답을 하나만 골라 그 번호를 답안지의 정해진 자리에 굵고 또렷하게 쓰시오"
)
"""Eighteen words that nobody has told us of, in many items and in many prompts."""


def benchmark(items: int, name: str = "planted") -> Questions:
    """`items` made-up items, and half as many that begin with the boilerplate."""
    plain = map(item, range(items))
    headed = (Question(f"b{number}", f"{BOILERPLATE} {_headed(number)}") for number in range(items // 2))
    return Questions(name, (*plain, *headed))


def _headed(number: int) -> str:
    return " ".join(sentence(random.Random(f"headed {number}"), 15))


def boilerplate(count: int) -> list[Prompt]:
    """Prompts with the boilerplate and a question of their own."""
    draws = (random.Random(f"own {number}") for number in range(count))
    return [
        prompt(f"own {number}", f"{BOILERPLATE} {' '.join(sentence(draw, 20))}") for number, draw in enumerate(draws)
    ]


def headed_leak(number: int) -> Prompt:
    """An item with its boilerplate, copied."""
    return prompt(f"headed leak {number}", f"{BOILERPLATE} {_headed(number)}")


def with_other_particles(text: str) -> str:
    """Every particle is another one."""
    found = []
    for word in text.split():
        particle = next((end for end in sorted(PARTICLES, key=len, reverse=True) if word.endswith(end)), "")
        other = "처럼" if particle else ""
        found.append(word.removesuffix(particle) + other)
    return " ".join(found)


def with_other_numbers(text: str) -> str:
    """Every number is another one."""
    return "".join(str((int(sign) + 3) % 10) if sign.isdigit() else sign for sign in text)


def reworked(text: str) -> str:
    """Other blanks, case and punctuation; the words stay."""
    return "\n\n".join(f"{word.rstrip('.')}," for word in text.swapcase().split()) + " !!"


@dataclass(frozen=True)
class Plant:
    """A record, whether it is a leak of the item, and how it was made."""

    record: Record
    kind: str
    leak: bool
    item: str


Maker = Callable[[Question, random.Random], str | tuple[str, ...]]


def _around(text: str, draw: random.Random) -> str:
    return " ".join([*sentence(draw, 18), text, *sentence(draw, 12)])


def _whole(question: Question) -> str:
    return "\n".join((question.text, *question.options))


COPIES: dict[str, Maker] = {
    "copy": lambda q, _: (q.text, *q.options),
    "inside": lambda q, draw: _around(_whole(q), draw),
    "reworked": lambda q, _: reworked(_whole(q)),
    "labelled": lambda q, _: q.text + "".join(f"\n({number}) {option}" for number, option in enumerate(q.options, 1)),
    "unspaced": lambda q, draw: _around("".join(_whole(q).split()), draw),
}
"""Leaks of any item."""
LONG_COPIES: dict[str, Maker] = {
    "particles": lambda q, _: with_other_particles(q.text),
    "half": lambda q, draw: _around(" ".join(q.text.split()[:15]), draw),
}
"""Leaks of a long item."""
NEAR_MISSES: dict[str, Maker] = {
    "twelve words": lambda q, draw: _around(" ".join(q.text.split()[:12]), draw),
    "same words, another order": lambda q, draw: " ".join(draw.sample(_whole(q).split(), len(_whole(q).split()))),
    "a gap every twelve words": lambda q, draw: " ".join(
        word if place % 12 else f"{draw.choice(NOUNS)}마다" for place, word in enumerate(q.text.split())
    ),
    "stranger": lambda q, draw: " ".join(sentence(draw, 40)),
}


def prompt(name: str, text: str, *options: str, **fields: Any) -> Prompt:
    id_ = content_id(name, text, *options)
    return Prompt(id=id_, text=text, language="ko", options=options, licence=LICENCE, source=name, **fields)


def trace(asked: Prompt, text: str, sample: int = 0, **fields: Any) -> Trace:
    return Trace(
        id=f"{asked.id}/{sample}",
        prompt=asked,
        sample=sample,
        text=text,
        teacher="t",
        revision="1",
        licence=LICENCE,
        category=asked.category,
        **fields,
    )


def plants(items: int) -> list[Plant]:
    """Of each item: its copies, near misses of it, and a trace that quotes it under a harmless prompt."""
    found = []
    for number in range(items):
        question = item(number)
        draw = random.Random(f"plant {number}")
        makers = dict(COPIES)
        if number % 4 == 0:
            makers |= LONG_COPIES
        for leak, chosen in ((True, makers), (False, NEAR_MISSES)):
            for kind, make in chosen.items():
                if kind == "twelve words" and number % 4 == 1:
                    continue  # it has no more than eleven
                made = make(question, draw)
                text, *options = (made,) if isinstance(made, str) else made
                found.append(Plant(prompt(f"{kind} {number}", text, *options), kind, leak, question.id))
        harmless = prompt(f"asked {number}", " ".join(sentence(draw, 30)))
        thought = f"<think>{_around(_whole(question), draw)}</think>\n{draw.choice(NOUNS)}"
        found.append(Plant(trace(harmless, thought), "in the trace", True, question.id))
        clean = trace(prompt(f"clean {number}", " ".join(sentence(draw, 30))), " ".join(sentence(draw, 60)))
        found.append(Plant(clean, "clean trace", False, question.id))
    return found
