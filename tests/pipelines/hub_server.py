"""A Hugging Face Hub on loopback: a real HTTP server that keeps data set repositories in memory.

Calls seen from huggingface_hub 2.4 with HF_HUB_DISABLE_XET=1 while yisang publishes, in their order:

    GET  /api/agent-harnesses                                   once in a day (answered 404)
    GET  /api/datasets/{repo}                                   dataset_info: private, sha
    GET  /api/datasets/{repo}/tree/{sha}?recursive=True         list_repo_files: a list of entries
    HEAD, GET /datasets/{repo}/resolve/{sha}/manifest.json      hf_hub_download
    POST /api/repos/create                                      create_repo: {"visibility": ...}; 1.x sent {"private": ...}
    POST /api/validate-yaml                                     the front matter of README.md
    POST /api/datasets/{repo}/preupload/main                    which files go by LFS
    POST /datasets/{repo}.git/info/lfs/objects/batch            where their bytes are sent
    PUT  /lfs/{oid}                                             the bytes, without a token
    POST /lfs/{oid}/verify
    POST /api/datasets/{repo}/commit/main                       NDJSON: header, file, lfsFile, deletedFile
    GET  /api/datasets/{repo}/revision/main                     instead of the commit, where no file has changed

A call that is none of these is answered 501 and remembered in `unknown`, so that a test can say that there was none.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

TOKEN = "hf_" + "loopbackSecretToken0123456789"


@dataclass
class Repo:
    """One data set. commits: summary and the paths that each one wrote and deleted."""

    private: bool
    files: dict[str, bytes] = field(default_factory=lambda: {".gitattributes": b"*.parquet filter=lfs\n"})
    commits: list[dict[str, Any]] = field(default_factory=list)

    @property
    def sha(self) -> str:
        return hashlib.sha1(json.dumps(self.commits).encode()).hexdigest()


class Hub:
    """What the server holds, and what it is told to do wrong: `fail` maps a part of "METHOD path" to a status."""

    def __init__(self) -> None:
        self.repos: dict[str, Repo] = {}
        self.blobs: dict[str, bytes] = {}
        self.verified: set[str] = set()
        self.calls: list[str] = []
        self.unknown: list[str] = []
        self.fail: dict[str, int] = {}
        self.on_call: dict[str, Any] = {}
        self.url = ""


@contextlib.contextmanager
def serve() -> Iterator[Hub]:
    """A running Hub; `hub.url` is its address."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("BoundHandler", (Handler,), {"hub": hub}))
    server.daemon_threads = True
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Refused(Exception):
    def __init__(self, status: int, message: str, code: str = ""):
        super().__init__(message)
        self.status, self.code = status, code


class Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: Any) -> None:
        pass

    def answer(self) -> None:
        call = f"{self.command} {unquote(urlsplit(self.path).path)}"
        body = self.body()
        self.hub.calls.append(call)
        for part, act in self.hub.on_call.items():
            if part in call:
                act()
        try:
            self.dispatch(call, body)
        except Refused as refused:
            told = {"X_Error_Message": str(refused)} | ({"X_Error_Code": refused.code} if refused.code else {})
            self.reply(refused.status, json.dumps({"error": str(refused)}).encode(), **told)

    def dispatch(self, call: str, body: bytes) -> None:
        for part, status in self.hub.fail.items():
            if part in call:
                raise Refused(status, f"the test wants {status} for {self.headers.get('Authorization')}")
        for pattern, handle in ROUTES:
            if found := re.fullmatch(pattern, call):
                public = handle in (Handler.harnesses, Handler.put_blob)
                if not public and self.headers.get("Authorization") != f"Bearer {TOKEN}":
                    raise Refused(401, "Invalid credentials in Authorization header")
                handle(self, *found.groups(), body)
                return
        self.hub.unknown.append(call)
        raise Refused(501, f"unknown call {call}")

    do_GET = do_HEAD = do_POST = do_PUT = answer

    def body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def reply(self, status: int, body: bytes, kind: str = "application/json", **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def json(self, value: Any, status: int = 200) -> None:
        self.reply(status, json.dumps(value).encode())

    def repo(self, name: str) -> Repo:
        if name not in self.hub.repos:
            raise Refused(404, "Repository not found", "RepoNotFound")
        return self.hub.repos[name]

    # The calls

    def harnesses(self, body: bytes) -> None:
        raise Refused(404, "none here")

    def info(self, name: str, body: bytes) -> None:
        repo = self.repo(name)
        siblings = [{"rfilename": path} for path in sorted(repo.files)]
        self.json({"id": name, "private": repo.private, "sha": repo.sha, "siblings": siblings, "tags": []})

    def tree(self, name: str, body: bytes) -> None:
        files = sorted(self.repo(name).files.items())
        self.json([{"type": "file", "path": path, "size": len(data), "oid": git_oid(data)} for path, data in files])

    def resolve(self, name: str, path: str, body: bytes) -> None:
        repo = self.repo(name)
        if path not in repo.files:
            raise Refused(404, "Entry not found", "EntryNotFound")
        data = repo.files[path]
        self.reply(200, data, "application/octet-stream", ETag=f'"{git_oid(data)}"', X_Repo_Commit=repo.sha)

    def create(self, body: bytes) -> None:
        asked = json.loads(body)
        name = f"{asked['organization']}/{asked['name']}"
        if asked.get("type") != "dataset":
            raise Refused(400, f"{asked.get('type')} is not a dataset")
        if name in self.hub.repos:
            raise Refused(409, "You already created this dataset repo")
        self.hub.repos[name] = Repo(private=asked.get("private") is True or asked.get("visibility") == "private")
        self.json({"url": f"{self.hub.url}/datasets/{name}", "name": name})

    def validate(self, body: bytes) -> None:
        import yaml

        text = json.loads(body)["content"]
        front = yaml.safe_load(text.split("---\n")[1])
        problems = [key for key in ("language", "license", "configs") if key not in front]
        if problems:
            self.json({"errors": [{"message": f"no {key}"} for key in problems]}, 400)
        else:
            self.json({"errors": [], "warnings": []})

    def preupload(self, name: str, body: bytes) -> None:
        repo = self.repo(name)
        files = []
        for file in json.loads(body)["files"]:
            mode = "lfs" if file["path"].endswith(".parquet") else "regular"
            held = repo.files.get(file["path"])
            oid = None if held is None else sha256(held) if mode == "lfs" else git_oid(held)
            files.append({"path": file["path"], "uploadMode": mode, "shouldIgnore": False, "oid": oid})
        self.json({"files": files})

    def batch(self, name: str, body: bytes) -> None:
        self.repo(name)
        objects = []
        for item in json.loads(body)["objects"]:
            url = f"{self.hub.url}/lfs/{item['oid']}"
            actions = {"upload": {"href": url}, "verify": {"href": f"{url}/verify"}}
            known = item["oid"] in self.hub.blobs
            objects.append({**item, "authenticated": True} | ({} if known else {"actions": actions}))
        self.json({"transfer": "basic", "objects": objects})

    def put_blob(self, oid: str, body: bytes) -> None:
        if sha256(body) != oid:
            raise Refused(400, "these bytes have another hash")
        self.hub.blobs[oid] = body
        self.reply(200, b"")

    def verify(self, oid: str, body: bytes) -> None:
        asked = json.loads(body)
        if asked["oid"] != oid or len(self.hub.blobs.get(oid, b"")) != asked["size"]:
            raise Refused(400, "not verified")
        self.hub.verified.add(oid)
        self.json({})

    def commit(self, name: str, body: bytes) -> None:
        """All operations or none, as one commit on the parent that was named."""
        repo = self.repo(name)
        lines = [json.loads(line) for line in body.splitlines()]
        header = lines[0]["value"]
        if header.get("parentCommit", repo.sha) != repo.sha:
            raise Refused(412, "A commit has happened since. Please refresh and try again.")
        files, wrote, deleted = dict(repo.files), [], []
        for line in lines[1:]:
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
                wrote.append(value["path"])
            elif line["key"] == "lfsFile" and value["oid"] in self.hub.verified:
                files[value["path"]] = self.hub.blobs[value["oid"]]
                wrote.append(value["path"])
            elif line["key"] == "deletedFile" and value["path"] in files:
                del files[value["path"]]
                deleted.append(value["path"])
            else:
                raise Refused(400, f"cannot do {line}")
        repo.files = files
        repo.commits.append({"summary": header["summary"], "wrote": sorted(wrote), "deleted": sorted(deleted)})
        self.json({"commitUrl": f"{self.hub.url}/datasets/{name}/commit/{repo.sha}", "commitOid": repo.sha})


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def git_oid(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


_REPO = r"([\w.-]+/[\w.-]+)"
_REVISION = "(?:[0-9a-f]+|main)"
ROUTES: list[tuple[str, Any]] = [
    ("GET /api/agent-harnesses", Handler.harnesses),
    (f"GET /api/datasets/{_REPO}(?:/revision/{_REVISION})?", Handler.info),
    (f"GET /api/datasets/{_REPO}/tree/{_REVISION}", Handler.tree),
    (f"(?:HEAD|GET) /datasets/{_REPO}/resolve/{_REVISION}/(.+)", Handler.resolve),
    ("POST /api/repos/create", Handler.create),
    ("POST /api/validate-yaml", Handler.validate),
    (f"POST /api/datasets/{_REPO}/preupload/main", Handler.preupload),
    (f"POST /datasets/{_REPO}\\.git/info/lfs/objects/batch", Handler.batch),
    ("PUT /lfs/([0-9a-f]+)", Handler.put_blob),
    ("POST /lfs/([0-9a-f]+)/verify", Handler.verify),
    (f"POST /api/datasets/{_REPO}/commit/main", Handler.commit),
]
