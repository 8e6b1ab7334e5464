"""Verdicts of robots.txt per second, ours and Protego's, on the same files, agents and URLs in the same run.

    python -m bench.robots [--files ARCHIVE] [--rounds 5]

The files are those of a tar archive (default: ../shared/data/robots/protego_robots_a.tar.gz, or YISANG_SHARED_DATA); where there is none,
generated ones. The URLs of a file are made from its own rules, so that most of them come near one. Rounds alternate, and the best of each
counts, since anything else that the machine does only makes a round slower. Exit code 1 where ours is below 50,000 verdicts a second.
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import sys
import tarfile
import time
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path

from protego import Protego

from yisang import __version__
from yisang.sources.rights.robots import Robots, lines

AGENTS = ("yisang", "Googlebot", "GPTBot", "CCBot", "Bingbot", "Yeti", "AhrefsBot", "Baiduspider")
FLOOR = 50_000
"""Verdicts a second on one core, below which a crawl would notice them."""
FIXED = (
    "/",
    "/index.html",
    "/robots.txt",
    "/.well-known/x",
    "/search?q=a%20b",
    "/wp-admin/admin-ajax.php",
    "/%ea%b0%80/x",
    "/글?쪽=2",
)

Verdict = Callable[[str, str], object]


def sample_files(archive: Path) -> list[tuple[str, bytes]]:
    """(name, content) of the robots.txt files of an archive; the name is the host's."""
    found = []
    with tarfile.open(archive) as tar:
        for member in tar:
            file = tar.extractfile(member) if member.isfile() else None
            if file is not None:
                found.append((member.name.rsplit("/", 1)[-1], file.read()))
    return sorted(found)


def generated_files(count: int = 178, seed: int = 1) -> list[tuple[str, bytes]]:
    """Files whose sizes and share of stars are about those of the sample: 40 rules, one in four with a star."""
    draw = random.Random(seed)
    files = []
    for number in range(count):
        rules, paths = [], [""]
        for _ in range(draw.randrange(1, 80)):
            above = draw.choice(["", draw.choice(paths)])
            paths.append(f"{above}/{''.join(draw.choices('abcdefgh-_', k=draw.randrange(2, 9)))}")
            star = draw.choice(["", "", "", draw.choice(["*", "/*.php$", "*?sort="])])
            rules.append(f"{draw.choice(['Disallow', 'Disallow', 'Allow'])}: {paths[-1]}{star}\n")
        groups = [
            "User-agent: *\n",
            *rules,
            *(f"User-agent: {agent}\nDisallow: /{agent}\n" for agent in draw.sample(AGENTS, 2)),
        ]
        files.append((f"host{number}.example", "".join(groups).encode()))
    return files


def urls(host: str, body: bytes) -> list[str]:
    """URLs near the rules of a file: their paths with nothing and with something where a star stands, with a tail, and spelt otherwise."""
    paths = list(FIXED)
    for line in lines(body):
        if line.name in {"allow", "disallow"} and line.value.startswith(("/", "*")):
            stars = line.value.encode("latin-1").decode("utf-8", "replace").removesuffix("$")
            for filling in ("", "x/y"):
                path = "/" + stars.replace("*", filling).removeprefix("/")
                paths += [path, f"{path}tail", *_spellings(path)]
    return [f"https://{host}{path}" for path in dict.fromkeys(paths)]


def _spellings(path: str) -> Iterator[str]:
    letter = next((place for place, each in enumerate(path) if each.isascii() and each.isalpha()), None)
    if letter is not None:
        yield f"{path[:letter]}%{ord(path[letter]):02x}{path[letter + 1 :]}"
    if "?" in path:
        yield path.replace("?", "%3F", 1)
    if "=" in path:
        yield path.replace("=", "%3d", 1)


def rate(asked: Sequence[tuple[Verdict, Sequence[tuple[str, str]]]]) -> float:
    """Verdicts per second of wall time, of functions and what each is asked."""
    begin = time.perf_counter()
    for verdict, questions in asked:
        for first, second in questions:
            verdict(first, second)
    return sum(len(questions) for _, questions in asked) / (time.perf_counter() - begin)


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    shared = Path(os.environ.get("YISANG_SHARED_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")
    options.add_argument("--files", type=Path, default=shared / "robots" / "protego_robots_a.tar.gz")
    options.add_argument("--rounds", type=int, default=5)
    given = options.parse_args()
    sampled = given.files.is_file()
    files = sample_files(given.files) if sampled else generated_files()
    questions = [[(agent, url) for agent in AGENTS for url in urls(host, body)] for host, body in files]
    turned = [[(url, agent) for agent, url in asked] for asked in questions]  # Protego asks for the URL first
    best = {"yisang": 0.0, "protego": 0.0}
    for _ in range(given.rounds):
        ours = [Robots.parse(body).verdict for _, body in files]
        protegos = [Protego.parse(body.decode("utf-8-sig", "ignore")).can_fetch for _, body in files]
        best["yisang"] = max(best["yisang"], rate(list(zip(ours, questions, strict=True))))
        best["protego"] = max(best["protego"], rate(list(zip(protegos, turned, strict=True))))
    total = sum(len(asked) for asked in questions)
    where = given.files if sampled else "generated (no sample files there)"
    print(
        f"{len(files)} files ({where}), {len(AGENTS)} agents, {total:,} verdicts a round, best of {given.rounds} rounds"
    )
    print(
        f"yisang {__version__}: {best['yisang']:,.0f} verdicts/s   protego {version('protego')}: {best['protego']:,.0f} verdicts/s"
    )
    print(
        f"ratio {best['yisang'] / best['protego']:.2f}   Python {platform.python_version()}, one thread, rules made ready included"
    )
    if best["yisang"] < FLOOR:
        print(f"below {FLOOR:,} verdicts/s", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
