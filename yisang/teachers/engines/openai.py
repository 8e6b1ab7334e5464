"""Any OpenAI-compatible endpoint (vLLM, SGLang, `transformers serve`, a vendor), or several of them, through aiohttp.

A key is read from the environment for each request and kept nowhere: not in the object, its repr or pickle, no log,
no error, no store. A deadline belongs to the whole answer and grows with max_tokens, so that a long answer is neither
cut nor asked twice, and a hung server does not hang the run.
"""

from __future__ import annotations

import asyncio
import errno
import json
import os
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Literal, NoReturn

import aiohttp
import msgspec

from yisang.errors import UsageError
from yisang.records import Message
from yisang.teachers.engines.base import EngineBase, TeacherFailed, TeacherRejected, TeacherUnavailable, begun
from yisang.teachers.engines.endpoints import KEY_ENV, Endpoint, Proxy, endpoints_of, retry_after
from yisang.teachers.engines.routing import Lane, Routes
from yisang.teachers.generation import Generation, Sampling, Usage, generation

RETRIED = frozenset({408, 409, 425, 429, 500, 502, 503, 504})
"""Answers that may be another the next time."""
OVERLOADED = frozenset({429, 503})
"""Of those, the ones that say nothing about the record: they stop the run when they do not end."""
NOT_ASKABLE = frozenset({401, 402, 403, 404, 405, 407})
"""Answers that every other record would get too."""
BROKEN = frozenset({"error", "abort"})
"""Finish reasons that say that the answer broke off: vLLM's and SGLang's own, and those of vendors that pass on a fault upstream."""
SLOW = 0.5
"""Of its deadline: an answer that took longer says that the endpoint is overloaded, before requests run out of time and are sent
(and paid for) again."""
PROXY_ADVICE = (
    "Put a proxy that lets requests through, with user and password where it wants them (http://user:password@host:port), "
    "into HTTPS_PROXY or HTTP_PROXY, or the teacher's host into NO_PROXY, and run the same command."
)
LONGEST_WAIT = 300.0
"""An endpoint that wants a longer pause (a spent daily quota) stops the run instead."""


class _Again(Exception):
    """This attempt failed in a way that may pass; `final` is raised if no attempt is left.

    of: what it tells of. "record": perhaps of this request alone. "load": the endpoint is busy. "down": nobody is there.
    "refusal": the endpoint will not answer anything for a while, so only another one can.
    """

    def __init__(
        self,
        final: TeacherRejected | TeacherUnavailable,
        *,
        of: Literal["record", "load", "down", "refusal"] = "record",
        wait: float | None = None,
        tries: int = 0,
    ):
        self.final, self.of, self.wait, self.tries = final, of, wait, tries


class OpenAI(EngineBase):
    """Asks `{base_url}/chat/completions`, one answer per request.

    base_url: as the OpenAI client takes it, usually ending in /v1; or endpoints: several for the same model, as `endpoints_of`
    reads them. key_env: the NAME of the environment variable with the key (of those of `endpoints` that name none); without the
    variable no Authorization header is sent. extensions: send top_k, min_p and chat_template_kwargs, which vLLM, SGLang and
    others take; turn it off for an endpoint that refuses them, as OpenAI's own and `transformers serve` do (the recipe then
    needs Sampling(top_k=0)).
    min_tokens_per_second: the slowest answer that is worth waiting for. attempts: how often a request is sent at most;
    backoff: seconds before the second one, doubled each time.

    Of several endpoints, one that is busy or down is left out for a while, and its requests move on at once, which uses up no
    attempt; only when all are, requests wait for the first that comes back, and at the end the teacher is unavailable. An endpoint that refuses its first
    request (a wrong key, an unknown model) stops the run, as that is a mistake in the setting; one that has answered before is
    left out.
    """

    def __init__(
        self,
        model: str,
        revision: str,
        *,
        base_url: str = "",
        key_env: str = KEY_ENV,
        endpoints: Any = None,
        extensions: bool = True,
        concurrency: int = 64,
        min_tokens_per_second: float = 10.0,
        patience: float = 60.0,
        attempts: int = 6,
        backoff: float = 1.0,
        sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
    ):
        if not revision.strip():
            raise UsageError(
                f"The endpoint of {model} must declare a revision (a commit, a date, a version): the address does not "
                "tell which weights answer, and stored answers are found by it."
            )
        if endpoints is None and not base_url:
            raise UsageError(
                "The engine openai needs base_url, or endpoints where there are several. Give it with --teacher-option base_url=… or "
                "in Teacher(options=...)."
            )
        if endpoints is not None and base_url:
            raise UsageError("Both base_url and endpoints are given. Give one of them; endpoints takes all addresses.")
        found = (Endpoint(base_url, key_env=key_env),) if endpoints is None else endpoints_of(endpoints, key_env)
        if concurrency < 1 or attempts < 1 or min_tokens_per_second <= 0:
            raise UsageError("concurrency and attempts must be 1 or more, min_tokens_per_second above 0.")
        super().__init__(model, revision)
        self.extensions = extensions
        self.concurrency = concurrency
        self.min_tokens_per_second = min_tokens_per_second
        self.patience = patience
        self.attempts = attempts
        self.backoff = backoff
        self.routes = Routes([Lane(endpoint) for endpoint in found])
        self._sleep = sleep
        self._jitter = random.Random(0)
        self._answered = 0
        self._client: aiohttp.ClientSession | None = None
        self._proxies: dict[str, Proxy | None] = {}
        self._loop: asyncio.AbstractEventLoop | None = None

    def __repr__(self) -> str:
        addresses = [lane.endpoint.base_url for lane in self.routes.lanes]
        where = f"base_url={addresses[0]!r}" if len(addresses) == 1 else f"endpoints={addresses!r}"
        return f"{type(self).__name__}({self.model!r}, {self.revision!r}, {where})"

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_client": None, "_loop": None, "places": None, "_answered": 0, "_proxies": {}}

    @property
    def base_url(self) -> str:
        """Where it asks; of several addresses the first."""
        return self.routes.lanes[0].endpoint.base_url

    def deadline(self, max_tokens: int) -> float:
        """Seconds that an answer may take."""
        return self.patience + max_tokens / self.min_tokens_per_second

    def payload(self, messages: Sequence[Message], sampling: Sampling, sample: int) -> dict[str, Any]:
        """What goes over the wire."""
        body = self.body(messages, sampling, sample)
        thinking, top_k, min_p = body.pop("thinking"), body.pop("top_k"), body.pop("min_p")
        body["n"] = 1
        if self.extensions:
            # vLLM reads -1 as no limit; 0 is refused by older versions.
            body["top_k"] = top_k if top_k > 0 else -1
            body["min_p"] = min_p
            body["chat_template_kwargs"] = {"enable_thinking": thinking}
        elif top_k > 0 or min_p > 0 or not thinking:
            raise UsageError(
                f"{self.base_url} is used without extensions, so top_k={top_k}, min_p={min_p} and thinking={thinking} cannot be "
                "asked for, but answers would be stored under them. Set top_k=0, min_p=0 and thinking=True in the recipe's "
                "Sampling, or extensions=True."
            )
        if begun(messages)[1]:
            if not self.extensions:
                raise UsageError(
                    f"{self.base_url} is used without extensions, so it cannot be told to go on from a beginning (a thinking budget "
                    "needs that). Set extensions=True where the endpoint takes continue_final_message, as vLLM and SGLang do."
                )
            body |= {"continue_final_message": True, "add_generation_prompt": False}
        return body

    async def generate(self, messages: Sequence[Message], sampling: Sampling, sample: int) -> Generation:
        payload = self.payload(messages, sampling, sample)
        # Not aiohttp's own encoder, which would write each Korean letter in six bytes.
        data = msgspec.json.encode(payload)
        # Without the beginning of the answer, so that what goes on goes to where its question has been read.
        asked, beginning = begun(messages)
        question = msgspec.json.encode(asked) if len(self.routes.lanes) > 1 else b""
        attempt = refused = turned_away = 0
        tried: set[Lane] = set()
        while True:
            lane = self.routes.choose(question, tried) or await self.routes.any(question, self._sleep)
            answered, sent = self._answered, self.routes.clock()
            lane.sent(sent)
            deadline = self.deadline(sampling.max_tokens)
            try:
                found = await self._attempt(lane, data, deadline, sampling.max_tokens, bool(beginning))
                if self.places is not None and self.routes.clock() - sent > SLOW * deadline:
                    self.places.overloaded()
                return found
            except _Again as again:
                self._tell(lane, again, sent)
                tried.add(lane)
                if again.of != "record" and self.routes.choose(question, tried) is not None:
                    continue  # another is free at once
                if again.of == "refusal":
                    turned_away += 1
                    if turned_away > self.attempts or len(self.routes.lanes) == 1 or self.routes.hopeless():
                        raise again.final from again.__cause__
                    continue  # the others are busy or down for a while, and waited for
                if again.of == "load" and self._answered > answered:
                    refused += 1  # it answers others, so this one's turn comes: no attempt is used up
                else:
                    attempt += 1
                if attempt >= min(self.attempts, again.tries or self.attempts):
                    raise again.final from again.__cause__
                wait = again.wait
                if wait is None:
                    doubled = self.backoff * 2.0 ** min(attempt + refused - 1, 30)
                    wait = min(60.0, doubled) * self._jitter.uniform(0.5, 1.0)
                overloaded, broke = again.of == "load", again.of == "record"
            finally:
                lane.in_flight -= 1
            if overloaded and self.places is not None:
                self.places.overloaded()
                async with self.places.away():
                    await self._sleep(wait)
            else:
                await self._sleep(wait)
            # Of a fault that may be the endpoint's, another one is asked next time.
            tried = {lane} if broke else set()

    def _tell(self, lane: Lane, again: _Again, sent: float) -> None:
        """What a failure says of its endpoint. A single one is asked again in any case, so nothing is to be known of it."""
        if len(self.routes.lanes) > 1:
            now, pause = self.routes.clock(), self.routes.pause(self.backoff, again.wait)
            if again.of == "record":
                lane.broke(sent, now, pause)
            else:
                lane.out(sent, now, pause, down=again.of == "down")
                if again.of == "refusal":
                    lane.refused(now, again.wait or LONGEST_WAIT)

    async def _attempt(self, lane: Lane, data: bytes, deadline: float, max_tokens: int, goes_on: bool) -> Generation:
        endpoint = lane.endpoint
        where = endpoint.base_url
        client, proxy = self._open(), self._proxy(endpoint)
        # A proxy reads the request itself, or, where that is encrypted, one of its own before it.
        known = proxy.headers if proxy else {}
        try:
            async with (
                asyncio.timeout(deadline),
                client.post(
                    f"{where}/chat/completions",
                    data=data,
                    headers={**endpoint.headers(), **(known if where.startswith("http:") else {})},
                    proxy=proxy.address if proxy else None,
                    proxy_headers=dict(known) if known else None,
                    allow_redirects=False,
                ) as response,
            ):
                content = await response.read()
        except aiohttp.InvalidURL as error:
            raise TeacherUnavailable(f"{where} is no address: {error}. Correct base_url.") from error
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
                raise TeacherUnavailable(
                    f"This process may not open more files, and each request in flight to {where} takes one. Raise the limit "
                    "(ulimit -n) or lower --concurrency; answers so far are stored, and the same command goes on from them."
                ) from error
            others = len(self.routes.lanes) - 1
            final_ = TeacherUnavailable(
                f"No connection to the teacher at {where} ({endpoint.scrub(str(error))}), {self.attempts} attempts"
                f"{f', and its {others} other endpoints do not take requests either' if others else ''}. Start the server or correct the address; answers so far are stored, and the same command "
                "goes on from them."
            )
            raise _Again(final_, of="down") from error
        except TimeoutError as error:
            # Sent once more only: the server may be working on it still, and would then do the work many times.
            final = TeacherFailed(
                f"{where} did not finish an answer of at most {max_tokens} tokens within "
                f"{deadline:.0f} s. If it is only slow, lower the concurrency or min_tokens_per_second (now "
                f"{self.min_tokens_per_second:g})."
            )
            raise _Again(final, tries=2) from error
        except aiohttp.ClientHttpProxyError as error:
            # Its status alone and no cause: it holds the headers of the request, and with them the password.
            raise self._stopped_by_proxy(lane, error.status) from None
        except aiohttp.ClientError as error:
            said = endpoint.scrub(str(error)) or type(error).__name__
            raise _Again(TeacherFailed(f"{where} broke off the connection ({said}).")) from error
        if response.status != 200:
            self._refused(lane, response, content)
        found = self._read(lane, response, content, goes_on)
        self._answered += 1
        lane.answered()
        return found

    def _stopped_by_proxy(self, lane: Lane, status: int) -> Exception:
        where = lane.endpoint.base_url
        told = f"The proxy before the teacher at {where} answered {status}."
        if status not in NOT_ASKABLE:
            return _Again(
                TeacherUnavailable(
                    f"{told} Look whether it reaches the teacher; answers so far are stored, and the same command goes on from them."
                ),
                of="down",
            )
        unavailable = TeacherUnavailable(f"{told} {PROXY_ADVICE}")
        return _Again(unavailable, of="refusal", wait=LONGEST_WAIT) if lane.answers else unavailable

    def _refused(self, lane: Lane, response: aiohttp.ClientResponse, content: bytes) -> NoReturn:
        endpoint, status = lane.endpoint, response.status
        told = f"{endpoint.base_url} answered {status}: {endpoint.said(content, response.reason)}"
        if status in RETRIED:
            wait = retry_after(response.headers.get("retry-after"))
            if status in OVERLOADED:
                stop = TeacherUnavailable(
                    f"The teacher at {told} It said so {self.attempts} times or asks for a long pause. Lower the "
                    "concurrency or come back later; answers so far are stored, and the same command goes on from them."
                )
                long = wait is not None and wait > LONGEST_WAIT
                raise _Again(stop, of="refusal" if long else "load", wait=wait)
            raise _Again(TeacherFailed(told), wait=None if wait is None else min(wait, LONGEST_WAIT))
        if status in NOT_ASKABLE or status < 400:
            unavailable = TeacherUnavailable(f"The teacher at {told} {self._advice(endpoint, status)}")
            if lane.answers:
                raise _Again(unavailable, of="refusal", wait=LONGEST_WAIT)
            raise unavailable
        hint = " If it refuses top_k, min_p or chat_template_kwargs, use extensions=False." if self.extensions else ""
        raise TeacherRejected(told + hint)

    def _advice(self, endpoint: Endpoint, status: int) -> str:
        if status < 400:
            return "It redirects; give the address that it redirects to."
        if status in (401, 403):
            name = endpoint.key_env
            known = "is set, but not accepted" if os.environ.get(name) else "is not set"
            return f"The environment variable {name} {known}. Put a valid key there, and run the same command."
        if status == 407:
            return PROXY_ADVICE
        if status == 402:
            return "It wants to be paid. Mend that with its vendor, and run the same command."
        return f"Check base_url (it usually ends in /v1) and the model name {self.model!r}, and run the same command."

    def _read(self, lane: Lane, response: aiohttp.ClientResponse, content: bytes, goes_on: bool) -> Generation:
        endpoint = lane.endpoint

        def broken(what: str, tries: int = 2) -> _Again:
            # Sent once more only, as what came may be a whole answer, which is paid for each time.
            said = endpoint.said(content, response.reason)
            return _Again(TeacherFailed(f"What {endpoint.base_url} answered {what}. It said: {said}"), tries=tries)

        try:
            found = _decoded(content)
        except ValueError as error:
            raise broken("is no JSON") from error
        choices = found.get("choices") if isinstance(found, dict) else None
        if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
            raise broken("has no choices[0]")
        message, finish = choices[0].get("message"), choices[0].get("finish_reason")
        if not isinstance(message, dict):
            raise broken("has no choices[0].message")
        if not isinstance(finish, str) or not finish:
            raise broken("has no choices[0].finish_reason")
        if finish in BROKEN:
            raise broken(f"broke off (finish_reason {finish!r})", tries=0)
        text = message.get("content")
        reasoning = message.get("reasoning_content") or message.get("reasoning")
        if not isinstance(text, str | None) or ("content" not in message and not reasoning):
            raise broken("has no choices[0].message.content")
        if not isinstance(reasoning, str | None):
            raise broken("has a reasoning that is no text")
        if goes_on:
            # A reasoning parser that has not seen the tags, which stand in the beginning, may put it into either field.
            text, reasoning = (reasoning or "") + (text or ""), None
        usage = found.get("usage")
        counts = usage if isinstance(usage, dict) else {}
        return generation(
            text or "",
            reasoning=reasoning,
            finish_reason=finish,
            usage=Usage(
                prompt_tokens=_count(counts.get("prompt_tokens")),
                completion_tokens=_count(counts.get("completion_tokens")),
            ),
        )

    def _open(self) -> aiohttp.ClientSession:
        # A client belongs to the event loop that made its connections.
        loop = asyncio.get_running_loop()
        if self._client is None or self._loop is not loop:
            self._client = aiohttp.ClientSession(
                # The number of requests in flight is the caller's to bound, and their time `deadline`'s.
                connector=aiohttp.TCPConnector(limit=0),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=30.0),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
            self._proxies = {}
            self._loop = loop
        return self._client

    def _proxy(self, endpoint: Endpoint) -> Proxy | None:
        # Not trust_env, which would send what ~/.netrc holds, and read it anew for each request.
        if endpoint.base_url in self._proxies:
            return self._proxies[endpoint.base_url]
        proxy = endpoint.proxy()
        if proxy is None or not proxy.headers:  # a password is read for each request and kept nowhere, as a key is
            self._proxies[endpoint.base_url] = proxy
        return proxy

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None and self._loop is asyncio.get_running_loop():
            await client.close()


def _decoded(content: bytes) -> Any:
    try:
        return msgspec.json.decode(content)
    except msgspec.DecodeError:  # it is stricter, so that half a character may have stopped it
        return json.loads(content)


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
