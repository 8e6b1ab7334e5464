"""vLLM on this machine: one server for each GPU or tensor-parallel group, started and watched here, asked as any endpoint.

vLLM itself is never imported. So it may stand in another environment (`command`), and its crash is not this process's.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from yisang.errors import UsageError
from yisang.records import Message
from yisang.teachers import models
from yisang.teachers.engines.endpoints import Endpoint
from yisang.teachers.engines.openai import OpenAI
from yisang.teachers.engines.routing import Lane, Routes
from yisang.teachers.engines.servers import Launch, Plan, Servers, acquire, release
from yisang.teachers.generation import Generation, Sampling

COMMAND = (sys.executable, "-m", "vllm.entrypoints.cli.main", "serve")
KEY_ENV = "VLLM_API_KEY"
"""Where vLLM's own server looks for a key that it is to ask for."""
AT_ONCE = 256
"""Requests in flight for each server: vLLM's `--max-num-seqs`, more would wait there; our choice, as its default depends on the GPU."""


class VLLM(OpenAI):
    """model: a Hub id, or any name with `path` as the local folder; a model that ships with yisang needs no path. revision: of the
    Hub, given to the servers; of a folder it is declared.

    gpus: which, by the numbers or names that CUDA_VISIBLE_DEVICES takes ("0,1", [0, 1]); all that are there unless said. Each server
    gets `tensor_parallel` of them. servers: how many, where there are no GPUs (vLLM's CPU build). command: what starts a server, in
    place of `vllm serve` in this environment; options and their values are added. quantization: "fp8" quantises while it loads.
    dtype, max_model_len, reasoning_parser: as vLLM takes them; without a parser the tags stay in the text, where they are read.
    trust_remote_code: run code from the model's repository. extra_args: further options of the command.

    logs: the folder for what servers say. startup: seconds until they must be ready. deaths: quick ones in a row, until a server is
    given up. hang: seconds without a sign of health, until it is killed and started again. linger: seconds that servers live on
    behind the last request, for the next stream of them. concurrency: of all servers. The others: as of the engine openai.

    Servers start with the first request; while one is started again, its requests go to the others or wait. Raises UsageError for
    options that do not fit; `generate` raises TeacherUnavailable, with the end of the log, when no server is left.
    """

    def __init__(
        self,
        model: str,
        revision: str,
        *,
        path: str | None = None,
        gpus: Any = None,
        tensor_parallel: int = 1,
        servers: int | None = None,
        command: str | Sequence[str] = COMMAND,
        quantization: str = "",
        dtype: str = "auto",
        max_model_len: int | None = None,
        reasoning_parser: str = "",
        trust_remote_code: bool = False,
        extra_args: str | Sequence[str] = (),
        logs: str = "",
        startup: float = 1800.0,
        deaths: int = 3,
        hang: float = 120.0,
        linger: float = 60.0,
        concurrency: int | None = None,
        min_tokens_per_second: float = 10.0,
        patience: float = 60.0,
        attempts: int = 6,
        backoff: float = 1.0,
        sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
    ):
        groups = _groups(gpus, tensor_parallel, servers)
        if deaths < 1 or startup <= 0 or hang <= 0 or linger < 0:
            raise UsageError("deaths must be 1 or more, startup and hang above 0, and linger 0 or more.")
        super().__init__(
            model,
            revision,
            base_url="http://127.0.0.1/v1",
            key_env=KEY_ENV,
            concurrency=AT_ONCE * len(groups) if concurrency is None else concurrency,
            min_tokens_per_second=min_tokens_per_second,
            patience=patience,
            attempts=attempts,
            backoff=backoff,
            sleep=sleep,
        )
        nowhere = Endpoint(self.base_url, key_env=KEY_ENV)
        self.routes = Routes([Lane(nowhere, f"server {number}", held=True) for number in range(len(groups))])
        words = [*_words("command", command), *_words("extra_args", extra_args)]
        if any(_secret(part) for word in words for part in word.split()):
            raise UsageError(
                f"A key does not belong into command or extra_args, which are logged. Put it into the environment variable {KEY_ENV} "
                "(a token of the Hub into HF_TOKEN), which the servers get from this process."
            )
        words = [*_words("command", command), *_model_words(model, revision, path)]
        words += ["--host", "127.0.0.1", "--port", "{port}", "--dtype", dtype]
        # What the model's authors recommend must not mix into what the recipe says.
        words += ["--generation-config", "vllm"]
        for name, value in (
            ("--tensor-parallel-size", tensor_parallel if tensor_parallel > 1 else None),
            ("--max-model-len", max_model_len),
            ("--quantization", quantization),
            ("--reasoning-parser", reasoning_parser),
        ):
            words += [name, str(value)] if value else []
        words += ["--trust-remote-code"] if trust_remote_code else []
        extra = _words("extra_args", extra_args)
        quiet = {name: os.environ.get(name, "1") for name in ("VLLM_NO_USAGE_STATS", "DO_NOT_TRACK")}
        self.plan = Plan(
            tuple(
                Launch((*words, *extra), tuple({**quiet, **({"CUDA_VISIBLE_DEVICES": group} if group else {})}.items()))
                for group in groups
            ),
            logs=logs,
            startup=startup,
            deaths=deaths,
            pause=backoff,
            hang=hang,
            linger=linger,
        )
        self.servers: Servers | None = None
        self._beginning: asyncio.Task[None] | None = None
        self._listener: Callable[[], None] | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.model!r}, {self.revision!r}, servers={len(self.routes.lanes)})"

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "servers": None, "_beginning": None, "_listener": None}

    async def generate(self, messages: Sequence[Message], sampling: Sampling, sample: int) -> Generation:
        if self.servers is None:
            if self._beginning is None:
                self._beginning = asyncio.create_task(self._begin())
            await asyncio.shield(self._beginning)
        return await super().generate(messages, sampling, sample)

    async def _begin(self) -> None:
        loop = asyncio.get_running_loop()
        self.routes.failure = None
        for lane in self.routes.lanes:
            lane.held = True
        try:
            # In a thread: it may have to wait until servers on the same GPUs have ended.
            servers = await asyncio.to_thread(acquire, self.plan)
        except BaseException:
            self._beginning = None
            raise
        self.servers = servers

        def listener() -> None:
            with contextlib.suppress(RuntimeError):  # the loop has just ended
                loop.call_soon_threadsafe(self._hear, servers)

        self._listener = listener
        servers.listen(listener)

    def _hear(self, servers: Servers) -> None:
        if servers is not self.servers or not servers.settled:
            return
        for lane, address in zip(self.routes.lanes, list(servers.addresses), strict=True):
            if address is None:
                lane.held = True
            elif lane.held or lane.endpoint.base_url != address:
                lane.renew(Endpoint(address, key_env=KEY_ENV))
        self.routes.failure = servers.failure
        self.routes.changed()

    async def close(self) -> None:
        beginning, self._beginning = self._beginning, None
        if beginning is not None and not beginning.done():  # its requests were cancelled
            await asyncio.wait({beginning})
        servers, self.servers = self.servers, None
        if servers is not None:
            assert self._listener is not None
            servers.forget(self._listener)
            await asyncio.to_thread(release, servers)
        await super().close()


def _model_words(model: str, revision: str, path: str | None) -> list[str]:
    if path is None and model in models.shipped():
        path = models.of_revision(model, revision)
    if path is not None:
        return ["--model", path, "--served-model-name", model]
    return ["--model", model, "--served-model-name", model, "--revision", revision, "--tokenizer-revision", revision]


def _words(name: str, given: str | Sequence[str]) -> list[str]:
    words = shlex.split(given) if isinstance(given, str) else [str(word) for word in given]
    if name == "command" and not words:
        raise UsageError("The engine vllm was given an empty command. Leave it out, or name what starts a server.")
    return words


def _secret(word: str) -> bool:
    """Whether a key follows, or is set: an option that holds one, as argparse takes it (with _ for -, cut short), or its variable."""
    name = word.split("=")[0].lower().replace("_", "-")
    options = {"--api-key": len("--api-k"), "--hf-token": len("--hf-t")}  # shorter, they may be others
    if any(len(name) >= least and option.startswith(name) for option, least in options.items()):
        return True
    return "=" in word and name in ("vllm-api-key", "hf-token", "hugging-face-hub-token")


def _groups(gpus: Any, size: int, servers: int | None) -> list[str]:
    """The GPUs of each server, as CUDA_VISIBLE_DEVICES takes them; "" where there are none."""
    if size < 1:
        raise UsageError(f"tensor_parallel is {size}; a server has 1 GPU or more.")
    if gpus is None:
        names = _visible()
    elif isinstance(gpus, list | tuple):
        names = [str(name).strip() for name in gpus]
    else:
        names = [name.strip() for name in str(gpus).split(",") if name.strip()]
    if len(set(names)) < len(names):
        raise UsageError(f"gpus names one of {', '.join(names)} twice.")
    if names and servers not in (None, len(names) // size):
        raise UsageError(f"{len(names)} GPUs, {size} for each server, are {len(names) // size} servers, not {servers}.")
    if not names:
        count = 1 if servers is None else servers
        if count < 1:
            raise UsageError(f"servers is {servers}; 1 or more are started.")
        return [""] * count
    if len(names) % size:
        raise UsageError(f"{len(names)} GPUs ({', '.join(names)}) cannot be dealt to servers with {size} each.")
    return [",".join(names[first : first + size]) for first in range(0, len(names), size)]


def _visible() -> list[str]:
    """The GPUs that this process may use."""
    told = os.environ.get("CUDA_VISIBLE_DEVICES")
    if told is not None:
        return [name.strip() for name in told.split(",") if name.strip() not in ("", "-1")]
    if shutil.which("nvidia-smi") is None:
        return []
    asked = ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"]
    found = subprocess.run(asked, capture_output=True, text=True, timeout=60, check=False)
    return found.stdout.split() if found.returncode == 0 else []
