"""datatrove: InferenceRunner on an endpoint, with a JSONL writer; no checkpoints, which would cost it more."""

import sys
from pathlib import Path

from datatrove.data import Document
from datatrove.pipeline.inference.run_inference import InferenceConfig, InferenceRunner
from datatrove.pipeline.writers import JsonlWriter


async def rollout(document, generate):
    result = await generate({"messages": [{"role": "user", "content": document.text}], "max_tokens": 16384})
    return {"text": result.text, "finish_reason": result.finish_reason}


def main(url: str, count: int, concurrency: int, letters: int, folder: Path) -> None:
    config = InferenceConfig(
        server_type="endpoint",
        model_name_or_path="loopback",
        endpoint_url=url.removesuffix("/v1"),
        use_chat=True,
        max_concurrent_generations=concurrency,
        metric_interval=10_000,
    )
    documents = (Document(text=f"{number} ".ljust(letters, "가"), id=str(number)) for number in range(count))
    runner = InferenceRunner(rollout, config, JsonlWriter(str(folder / "out"), compression=None))
    runner.run(documents, rank=0, world_size=1)
    written = sum(len(path.read_text().splitlines()) for path in (folder / "out").rglob("*.jsonl"))
    if written != count:
        raise SystemExit(f"{written} answers of {count}")


if __name__ == "__main__":
    main(sys.argv[1], *(int(word) for word in sys.argv[2:5]), Path(sys.argv[5]))
