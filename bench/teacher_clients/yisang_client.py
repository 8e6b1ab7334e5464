"""yisang: `teach` with an answer store on disk, as a worker of a run calls it."""

import sys
from collections.abc import Iterator
from pathlib import Path

from yisang.records import Prompt, Trace, content_id
from yisang.teachers.answers import AnswerStore
from yisang.teachers.engines.openai import OpenAI
from yisang.teachers.generation import Sampling, Teacher
from yisang.teachers.prompts import MixedPrompt
from yisang.teachers.rollouts import teach


def main(url: str, count: int, concurrency: int, letters: int, folder: Path) -> None:
    def prompts() -> Iterator[Prompt]:
        for number in range(count):
            text = f"{number} ".ljust(letters, "가")
            yield Prompt(id=content_id(text.encode()), text=text, language="ko")

    teacher = Teacher(engine="openai", model="loopback", revision="1")
    engine = OpenAI("loopback", "1", base_url=url)
    with AnswerStore(folder / "answers") as store:
        found = sum(
            isinstance(trace, Trace)
            for trace in teach(prompts(), teacher, MixedPrompt(), Sampling(), 1, engine, store, concurrency)
        )
    if found != count:
        raise SystemExit(f"{found} answers of {count}")
    # Not getrusage, whose peak of a child starts at its parent's.
    peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    print(f'{{"peak_kib": {peak.split()[1]}}}')


if __name__ == "__main__":
    main(sys.argv[1], *(int(word) for word in sys.argv[2:5]), Path(sys.argv[5]))
