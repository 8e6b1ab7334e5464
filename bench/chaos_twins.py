"""Wrong twins of the answer store and the driver: `yisang` with one of them broken, to see that bench/chaos.py tells.

python -m bench.chaos_twins TWIN yisang's own words

forgets   puts nothing into the store
late      puts an answer only when 40 others wait for it too
misses    does not find each third answer that is there
stale     leaves the sample out of the key, so that the second sample is the first one's answer
garbles   puts other words than those that came
twice     hands each fiftieth answer on twice, and not the one behind it
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import msgspec

import yisang.teachers.answers as answers

_put, _get, _key, _close = (
    answers.AnswerStore.put,
    answers.AnswerStore.get_many,
    answers.answer_key,
    answers.AnswerStore.close,
)
_waiting: list[tuple[str, Any]] = []


def forgets(store: Any, key: str, answer: Any) -> int:
    store._create()
    store._put += 1
    return int(store._put)


def late(store: Any, key: str, answer: Any) -> int:
    _waiting.append((key, answer))
    if len(_waiting) >= 40:
        late_end(store)
    return int(store._put)


def late_end(store: Any) -> None:
    while _waiting:
        _put(store, *_waiting.pop())


def misses(store: Any, keys: Any) -> dict[str, Any]:
    return {key: answer for key, answer in _get(store, keys).items() if int(key[-2:], 16) % 3}


def stale(body: Any, revision: str, sample: int) -> str:
    return _key({**body, "seed": 0}, revision, 0)


def garbles(store: Any, key: str, answer: Any) -> int:
    said = msgspec.structs.replace(answer.generation, text=answer.generation.text.replace("문제", "답안"))
    return _put(store, key, msgspec.structs.replace(answer, generation=said))


def twice(outcomes: Iterator[Any]) -> Iterator[Any]:
    before: Any = None
    for number, outcome in enumerate(outcomes):
        before = outcome if number % 50 != 7 else before
        yield before


def main(twin: str) -> None:
    store: Any = answers.AnswerStore
    if twin == "forgets":
        store.put = forgets
    elif twin == "late":
        store.put = late
        store.close = lambda self: (late_end(self), _close(self))
    elif twin == "misses":
        store.get_many = misses
    elif twin == "stale":
        answers.answer_key = stale
    elif twin == "garbles":
        store.put = garbles
    else:
        import yisang.teachers.rollouts as rollouts

        teach = rollouts.teach
        changed: Any = lambda *words, **named: twice(teach(*words, **named))  # noqa: E731
        rollouts.teach = changed
    from yisang.cli import main

    sys.exit(main(sys.argv[2:]))


if __name__ == "__main__":
    main(sys.argv[1])
