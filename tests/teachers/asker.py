"""A run of `teach` in a process of its own, to be killed: asker.py URL STORE COUNT [BUFFER [FIRST]]. Prints the questions
answered, numbers from FIRST on; the longest are asked first."""

import signal
import sys

from yisang.records import Prompt, content_id
from yisang.teachers.answers import BUFFER, AnswerStore
from yisang.teachers.engines.openai import OpenAI
from yisang.teachers.generation import Sampling, Teacher
from yisang.teachers.prompts import MixedPrompt
from yisang.teachers.rollouts import teach


def main(url: str, folder: str, count: int, buffer: int = BUFFER, first: int = 0) -> None:
    prompts = (Prompt(id=content_id(str(n)), text=str(n), language="ko") for n in range(first, first + count))
    teacher = Teacher(engine="openai", model="m", revision="r1")
    engine = OpenAI("m", "r1", base_url=url)
    store = AnswerStore(folder, buffer=buffer)
    for trace in teach(prompts, teacher, MixedPrompt(), Sampling(), 1, engine, store, 4):
        print(trace.prompt.text, flush=True)


if __name__ == "__main__":
    # A shell starts what stands in the background with Ctrl-C ignored, and tests may be run there.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:]))
