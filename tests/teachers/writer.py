"""A process that puts answers into a store and tells of each, to be killed: writer.py FOLDER NAME COUNT."""

import itertools
import sys

from yisang.records import Message
from yisang.storage import StorageError
from yisang.teachers.answers import AnswerStore, answer_key, new_answer
from yisang.teachers.engines.base import request_body
from yisang.teachers.generation import Sampling, generation


def main(folder: str, name: str, count: int) -> None:
    """count 0: until the store is full, then a few small answers more."""
    store = AnswerStore(folder, sync_every=8)
    full = 0
    for number in itertools.count():
        if count and number >= count:
            break
        text = f"{name}-{number}"
        sampling = Sampling()
        key = answer_key(request_body("m", (Message("user", text),), sampling, 0), "r1", 0)
        answer = generation(f"<think>a</think>{text * 50}", finish_reason="stop")
        try:
            store.put(key, new_answer(key, "m", "r1", 0, answer))
            print(text, flush=True)
        except StorageError:
            print("full", flush=True)
            full += 1
            if full >= 20:
                break
    store.close()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
