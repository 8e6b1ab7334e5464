"""bespokelabs-curator: LLM with the openai backend, its limits by minute out of the way."""

import os
import sys
from pathlib import Path

main_folder = Path(sys.argv[5])
os.environ |= {"CURATOR_CACHE_DIR": str(main_folder), "TELEMETRY_ENABLED": "false", "OPENAI_API_KEY": "none"}

from bespokelabs import curator  # noqa: E402 - it reads the environment when it is imported


def main(url: str, count: int, concurrency: int, letters: int, folder: Path) -> None:
    model = curator.LLM(
        model_name="loopback",
        backend="openai",
        backend_params={
            "base_url": url,
            "api_key": "none",
            "max_concurrent_requests": concurrency,
            "max_requests_per_minute": 10**9,
            "max_tokens_per_minute": 10**12,
            "request_timeout": 3600,
        },
        generation_params={"max_tokens": 16384},
    )
    found = model([f"{number} ".ljust(letters, "가") for number in range(count)])
    dataset = getattr(found, "dataset", found)
    if len(dataset) != count:
        raise SystemExit(f"{len(dataset)} answers of {count}")


if __name__ == "__main__":
    main(sys.argv[1], *(int(word) for word in sys.argv[2:5]), main_folder)
