"""distilabel: a pipeline of TextGeneration with OpenAILLM; a batch of as many questions as may be in flight."""

import sys
from pathlib import Path

from distilabel.models import OpenAILLM
from distilabel.pipeline import Pipeline
from distilabel.steps import LoadDataFromDicts
from distilabel.steps.tasks import TextGeneration


def main(url: str, count: int, concurrency: int, letters: int, folder: Path) -> None:
    with Pipeline(name="loopback", cache_dir=folder) as pipeline:
        data = [{"instruction": f"{number} ".ljust(letters, "가")} for number in range(count)]
        load = LoadDataFromDicts(data=data, batch_size=concurrency)
        model = OpenAILLM(
            model="loopback", base_url=url, api_key="none", timeout=3600, generation_kwargs={"max_new_tokens": 16384}
        )
        load >> TextGeneration(llm=model, input_batch_size=concurrency)
    found = pipeline.run(use_cache=False)["default"]["train"]
    answered = sum(text is not None for text in found["generation"])
    if answered != count:
        raise SystemExit(f"{answered} answers of {count}")


if __name__ == "__main__":
    main(sys.argv[1], *(int(word) for word in sys.argv[2:5]), Path(sys.argv[5]))
