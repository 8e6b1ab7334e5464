"""Where a model answers: addresses with their weights, and the names of the variables that hold their keys."""

from __future__ import annotations

import base64
import contextlib
import email.utils
import ipaddress
import json
import math
import os
import time
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

from yisang.errors import UsageError

KEY_ENV = "YISANG_API_KEY"


@dataclass(frozen=True)
class Proxy:
    """Where a proxy stands, and apart from that, so that no error shows it, the header (RFC 7617) with its user and password."""

    address: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Endpoint:
    """An address as the OpenAI client takes it, usually ending in /v1.

    weight: its share of the requests beside others. key_env: the NAME of the environment variable with its key, which is read
    for each request and kept nowhere; without the variable no key is sent.

    Raises UsageError for an address that is none or carries a secret, and for a weight that is not above 0.
    """

    base_url: str
    weight: float = 1.0
    key_env: str = KEY_ENV

    def __post_init__(self) -> None:
        parts = urlsplit(self.base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname or not _has_port(parts):
            raise UsageError("The endpoint's base_url must look like http://host:8000/v1.")
        if parts.username or parts.password or parts.query or parts.fragment:
            raise UsageError(
                f"The base_url of {parts.hostname} carries a user, password or query. Leave them out; a key goes into "
                f"the environment variable {self.key_env}."
            )
        if not 0 < self.weight < math.inf:
            raise UsageError(f"The weight of {self.base_url} is {self.weight}; it must be above 0.")
        address = urlunsplit((parts.scheme, parts.netloc, parts.path.rstrip("/"), "", ""))
        object.__setattr__(self, "base_url", address)

    def headers(self) -> dict[str, str]:
        """The headers of a request, with the key. Raises UsageError for a key that no header can hold."""
        key = os.environ.get(self.key_env, "").strip()
        if not all("!" <= letter <= "~" for letter in key):
            # Caught here, because the HTTP library would print the key in its own error.
            raise UsageError(f"The environment variable {self.key_env} holds blanks or letters that no key has.")
        return {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})

    def scrub(self, words: str) -> str:
        """What an endpoint says, without the key that some repeat when they refuse it."""
        key = os.environ.get(self.key_env, "").strip()
        return words.replace(key, "[key]") if key else words

    def said(self, content: bytes, reason: str | None) -> str:
        """Its own words in one line, of at most 300 letters; where it has none, the reason beside its status."""
        words = content.decode("utf-8", "replace")
        with contextlib.suppress(ValueError, TypeError, AttributeError):
            found = json.loads(content)
            error = found.get("error", found) if isinstance(found, dict) else found
            # OpenAI and vLLM say {"error": {"message": ...}}, FastAPI's own refusals {"detail": ...}.
            words = str(error.get("message") or error.get("detail") or error) if isinstance(error, dict) else str(error)
        words = " ".join(self.scrub(words).split())
        words = words if len(words) <= 300 else f"{words[:300]}…"
        return words if words.endswith((".", "!", "?", "…")) else f"{words or reason or 'nothing'}."

    def proxy(self) -> Proxy | None:
        """The proxy that the environment names for it (HTTPS_PROXY, NO_PROXY, …); none stands before loopback.

        Raises UsageError where what it names is no address of one, without showing it, as it may hold a password.
        """
        parts = urlsplit(self.base_url)
        host = parts.hostname or ""
        if _is_loopback(host) or urllib.request.proxy_bypass(host):
            return None
        named = urllib.request.getproxies().get(parts.scheme)
        return _proxy(named, f"{parts.scheme}_proxy") if named else None


def _proxy(named: str, variable: str) -> Proxy:
    # Without a scheme, as other tools take it too.
    parts = urlsplit(named if "://" in named else f"http://{named}")
    if parts.scheme not in ("http", "https") or not parts.hostname or not _has_port(parts):
        raise UsageError(
            f"The environment variable {variable} (or {variable.upper()}) names no proxy that can be used; it must look like "
            "http://host:3128, and letters such as / # @ in a user or password be written as %2F, %23, %40."
        )
    address = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], "", "", ""))
    if parts.username is None:
        return Proxy(address)
    known = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
    return Proxy(address, {"Proxy-Authorization": f"Basic {base64.b64encode(known).decode()}"})


def endpoints_of(given: Any, key_env: str = KEY_ENV) -> tuple[Endpoint, ...]:
    """The endpoints that an option names.

    given: a list of addresses or of {"base_url": …, "weight": …, "key_env": …}, or a text of addresses with commas between
    them and the weight, where it is not 1, behind a sign: "http://a:8000/v1=2,http://b:8000/v1". key_env: of those that name
    none. Raises UsageError where that cannot be read, or an address stands there twice.
    """
    if isinstance(given, str):
        given = [part for part in given.split(",") if part.strip()]
    if not isinstance(given, list | tuple) or not given:
        raise UsageError(
            "endpoints must name one address or more: http://a:8000/v1=2,http://b:8000/v1 (with weights), or a list of "
            '{"base_url": …, "weight": …, "key_env": …}.'
        )
    found = tuple(_endpoint(one, key_env) for one in given)
    for number, one in enumerate(found):
        if any(one.base_url == other.base_url for other in found[:number]):
            raise UsageError(f"The endpoint {one.base_url} is named twice. Name it once, with a weight.")
    return found


def _endpoint(given: Any, key_env: str) -> Endpoint:
    if isinstance(given, Endpoint):
        return given
    if isinstance(given, str):
        # An address holds no such sign, as those with a query are refused.
        address, sign, weight = given.strip().rpartition("=")
        return Endpoint(address, _weight(weight), key_env) if sign else Endpoint(weight, key_env=key_env)
    if isinstance(given, Mapping) and "base_url" in given:
        unknown = sorted(set(given) - {"base_url", "weight", "key_env"})
        if not unknown:
            weight_, name = _weight(given.get("weight", 1.0)), str(given.get("key_env", key_env))
            return Endpoint(str(given["base_url"]), weight_, name)
    # Not shown: what was given by mistake may be a key.
    raise UsageError(
        "Each of endpoints is an address, or has base_url and, where wanted, weight and key_env; nothing else."
    )


def _weight(given: Any) -> float:
    with contextlib.suppress(TypeError, ValueError):
        return float(given)
    raise UsageError("The weight of an endpoint must be a number above 0: http://host:8000/v1=2.")


def _has_port(parts: SplitResult) -> bool:
    """Whether the port, where there is one, is a number that a port can be."""
    try:
        return parts.port is None or parts.port > 0
    except ValueError:
        return False


def _is_loopback(host: str) -> bool:
    """No proxy stands between us and our own machine, whatever the environment says."""
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def retry_after(header: str | None) -> float | None:
    """Seconds to wait as the endpoint asks, in either of the two forms of the header."""
    if header is None:
        return None
    with contextlib.suppress(ValueError):
        return max(0.0, float(header))
    with contextlib.suppress(ValueError, TypeError):
        return max(0.0, email.utils.parsedate_to_datetime(header).timestamp() - time.time())
    return None
