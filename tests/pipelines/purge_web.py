"""A small web of the tests of `yisang purge`, as a WARC, and a search of bytes that shares no code with the command."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import random
import re
import shutil
from pathlib import Path

import pyarrow.parquet as pq
from recipes_for_tests.helpers import HERE
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from yisang.pipelines.phases import Setting
from yisang.pipelines.publish import publish
from yisang.pipelines.recipe import load
from yisang.pipelines.run import run_recipe

RECIPE = HERE / "purgeable.py"
TARGET, OTHER, MIRROR = "forum.example.org", "www.other.example", "mirror.example"
BELOW = f"sub.{TARGET}"
SYLLABLES = "가나다라마바사아자차카타파하고노도로모보소오조초코토포호구누두루무부수우주추쿠투푸후"


def sentence(seed: str, words: int = 30) -> str:
    draw = random.Random(seed)
    return " ".join("".join(draw.choices(SYLLABLES, k=draw.randint(2, 4))) for _ in range(words))


def question(number: int) -> str:
    return f"질문 {number}: {sentence(str(number))}?"


def pages(link: bool = False) -> dict[str, str]:
    """url → body. Near copies of ten of the target's questions stand at the mirror, exact ones of three at another host."""
    found: dict[str, str] = {}
    for number in range(1, 31):
        menu = f"메뉴 {TARGET} {sentence('menu', 12)}"
        found[f"https://{TARGET}/{number}"] = f"{menu}\nQ {question(number)}\nQ {question(300 + 2 * number)}\n"
    for number in range(101, 151):
        also = f"\n<a href='http://{TARGET}/3'>여기</a>" if link and number == 101 else ""
        found[f"https://{OTHER}/{number}"] = f"홈\nQ {question(number)}\nQ {question(2 * number + 99)}{also}\n"
    for number in range(1, 11):
        # Half of them are longer and survive, half lose.
        end = " 그리고 더" if number % 2 else ""
        found[f"https://{MIRROR}/{number}"] = f"Q {question(number)[: -1 if end else -4]}{end}?\n"
    for number in (12, 13, 14):
        found[f"https://{OTHER}/same/{number}"] = f"Q {question(number)}\n"
    for number in (501, 502):
        found[f"https://{BELOW}/{number}"] = f"Q {question(number)}\n"
    return found


def write_warc(path: Path, found: dict[str, str], packed: bool = True) -> Path:
    with open(path, "wb") as file:
        writer = WARCWriter(file, gzip=packed)
        writer.write_record(writer.create_warcinfo_record("crawl.warc.gz", {"software": "the tests"}))
        for url, body in found.items():
            head = StatusAndHeaders("GET / HTTP/1.1", [("Host", url.split("/")[2])], is_http_request=True)
            request = writer.create_warc_record(url, "request", http_headers=head)
            answer = StatusAndHeaders("200 OK", [("Content-Type", "text/plain; charset=utf-8")], protocol="HTTP/1.1")
            response = writer.create_warc_record(
                url, "response", payload=io.BytesIO(body.encode()), http_headers=answer
            )
            request.rec_headers.add_header("WARC-Concurrent-To", response.rec_headers.get_header("WARC-Record-ID"))
            writer.write_record(response)
            writer.write_record(request)
    return path


def make_run(folder: Path, link: bool = False) -> Path:
    """A finished run with answers and two publications: folder/web.warc.gz, folder/run, folder/answers, folder/elsewhere."""
    folder.mkdir(parents=True, exist_ok=True)
    warc = write_warc(folder / "web.warc.gz", pages(link))
    run_recipe(load(str(RECIPE), inputs=str(warc)), Setting(str(folder / "run")))
    publish(str(folder / "run"), to=str(folder / "run" / "published"))
    publish(str(folder / "run"), to=str(folder / "elsewhere"))
    return folder


def copied(made: Path, to: Path) -> Path:
    shutil.copytree(made, to)
    return to


def tree(folder: Path) -> dict[str, str]:
    """The digest of each file; an empty lock file is none."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "lock"
    }


def readings(path: Path) -> list[bytes]:
    """A file as it is, and unpacked."""
    raw = path.read_bytes()
    found = [str(path.name).encode(), raw]
    if path.name.endswith(".parquet"):
        for column in pq.read_table(path).columns:
            found += [
                value if isinstance(value, bytes) else str(value).encode() for value in column.to_pylist() if value
            ]
    if raw.startswith(b"\x1f\x8b"):
        found.append(gzip.decompress(raw))
    for text in re.findall(rb"[A-Za-z0-9+/]{64,}={0,2}", b"\n".join(found[2:])):
        found.append(base64.b64decode(text + b"=" * (-len(text) % 4)))
    return found


def holding(folder: Path, needles: list[str]) -> dict[str, list[str]]:
    """The files that hold one of the needles, with those that they hold."""
    held: dict[str, list[str]] = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            data = b"\n".join(readings(path))
            if seen := [needle for needle in needles if needle.encode() in data]:
                held[str(path.relative_to(folder))] = seen
    return held


def words_of_target() -> list[str]:
    """Pieces of texts that the target alone has: of questions without a copy elsewhere, and of its menu."""
    alone = list(range(15, 31)) + [300 + 2 * number for number in range(1, 31)]
    return [question(number)[20:50] for number in alone] + [sentence("menu", 12)[:30]]
