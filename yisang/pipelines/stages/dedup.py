"""Near-duplicates, first form: datasketch's MinHash over character shingles, its LSH for candidates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa

from yisang.errors import UsageError, YisangError
from yisang.filters.duplicates import normalise, survivor_order
from yisang.pipelines.boundary import Boundary, ShardWriter
from yisang.pipelines.identity import identity
from yisang.pipelines.phases import Inputs, Phase, Setting, Work, counted, even_slices
from yisang.pipelines.steps import Stage
from yisang.records import Drop, Prompt

SCHEME = "affine32"
"""datasketch's permutations with 32-bit values, its default since 2.0; values of different schemes do not compare."""

CANDIDATE_WEIGHTS = (0.05, 0.95)
"""How much datasketch minds false and missed candidates when it chooses its bands. Candidates are verified, so that a
false one costs a comparison, and a missed one stays in the corpus."""


def _asked(prompt: Prompt) -> str:
    """Exam questions share their wording and differ in the options alone."""
    return " ".join((prompt.text, *prompt.options))


@dataclass(frozen=True)
class NearDuplicates(Stage):
    """Of prompts whose texts are near copies of each other, keeps the first by `order`.

    threshold: the least Jaccard similarity of the sets of character `shingle`-grams of the normalised texts, as the
    MinHash of `permutations` values estimates it (standard error sqrt(J(1-J)/permutations): 0.035 at 0.8 with 128).
    Copies of copies form one cluster. Exact duplicates must have been removed before, as ids tell records apart.
    """

    threshold: float = 0.8
    shingle: int = 5
    permutations: int = 128
    seed: int = 1
    order: Callable[[Prompt], str] = survivor_order

    def __post_init__(self) -> None:
        super().__post_init__()
        rules = {
            "threshold": (0 < self.threshold <= 1, "above 0 and at most 1"),
            "shingle": (self.shingle >= 1, "1 or more characters"),
            "permutations": (self.permutations >= 2, "2 or more"),
        }
        for name, (good, rule) in rules.items():
            if not good:
                raise UsageError(f"Step {self.name}: {name} is {getattr(self, name)}; it must be {rule}.")
        _ = self.bands

    @cached_property
    def bands(self) -> tuple[int, int]:
        """How many bands of how many values the search for candidates compares. Raises UsageError where it needs two."""
        from datasketch import MinHashLSH

        try:
            lsh = MinHashLSH(threshold=self.threshold, num_perm=self.permutations, weights=CANDIDATE_WEIGHTS)
        except ValueError as error:
            raise UsageError(
                f"Step {self.name}: near copies at threshold {self.threshold} cannot be searched with {self.permutations} "
                "permutations, which leave a single band. Lower threshold or raise permutations; prompts that are equal "
                "are removed by Group(exact_key, keep_first)."
            ) from error
        return lsh.b, lsh.r

    def phases(self) -> list[Phase]:
        return [
            Signatures("signatures", (0,), stage=self),
            Clusters("clusters", (1,), stage=self),
            Survivors("survivors", (0, 2), stage=self),
        ]

    def shingles(self, text: str) -> list[bytes]:
        text = normalise(text)
        count = max(1, len(text) - self.shingle + 1)
        return [gram.encode() for gram in {text[i : i + self.shingle] for i in range(count)}]


@dataclass(frozen=True)
class _NearPhase(Phase):
    stage: NearDuplicates | None = None

    def parameters(self) -> Any:
        return identity(self.stage, self.stage.name if self.stage else "")

    @property
    def near(self) -> NearDuplicates:
        assert self.stage is not None
        return self.stage


@dataclass(frozen=True)
class Signatures(_NearPhase):
    """The MinHash of each prompt, and its place in the order of survivors."""

    def parameters(self) -> Any:
        # A changed threshold needs no new signatures.
        described = identity(self.near, self.near.name)
        del described["fields"]["threshold"]
        return described

    def plan(self, inputs: Inputs) -> list[Work]:
        return even_slices(inputs.manifests[0])

    def run(self, work: Work, inputs: Inputs, out: ShardWriter, setting: Setting) -> None:
        from datasketch import MinHash

        near = self.near
        prompts = (record for record in counted(inputs.slices(work.slices), out) if isinstance(record, Prompt))
        tables = []
        while held := list(islice(prompts, 1_000)):
            hashes = MinHash.generator(
                (near.shingles(_asked(prompt)) for prompt in held),
                num_perm=near.permutations,
                seed=near.seed,
                scheme=SCHEME,
            )
            values = [minhash.hashvalues.tobytes() for minhash in hashes]
            columns = [[prompt.id for prompt in held], [near.order(prompt) for prompt in held], values]
            tables.append(pa.table(columns, schema=_SIGNATURES))
        if tables:
            out.table("signatures", pa.concat_tables(tables))


_SIGNATURES = pa.schema([("id", pa.string()), ("order", pa.string()), ("signature", pa.binary())])
_CLUSTERS = pa.schema([("id", pa.string()), ("survivor", pa.string()), ("similarity", pa.float64())])


@dataclass(frozen=True)
class Clusters(_NearPhase):
    """Joins near copies; one shard, as it needs all signatures."""

    def plan(self, inputs: Inputs) -> list[Work]:
        return [Work(0)] if inputs.manifests[0].parts("signatures") else []

    def run(self, work: Work, inputs: Inputs, out: ShardWriter, setting: Setting) -> None:
        from datasketch import LeanMinHash, MinHashLSH

        near = self.near
        table = inputs.boundaries[0].table("signatures")
        assert table is not None
        # Sorted, so that the tree of joins does not depend on which shard came first.
        table = table.sort_by([("order", "ascending"), ("id", "ascending")])
        ids = table.column("id").to_pylist()
        _refuse_repeated(ids, near.name)
        lsh = MinHashLSH(num_perm=near.permutations, params=near.bands)
        parent = list(range(len(ids)))

        def find(node: int) -> int:
            while parent[node] != node:
                parent[node] = parent[parent[node]]
                node = parent[node]
            return node

        signatures: list[Any] = []
        for number, value in enumerate(table.column("signature").to_pylist()):
            minhash = LeanMinHash(seed=near.seed, hashvalues=np.frombuffer(value, np.uint32), scheme=SCHEME)
            for candidate in lsh.query(minhash):
                if minhash.jaccard(signatures[candidate]) >= near.threshold:
                    low, high = sorted((find(candidate), find(number)))
                    parent[high] = low
            lsh.insert(number, minhash, check_duplication=False)
            signatures.append(minhash)
        losers = [(number, find(number)) for number in range(len(ids)) if find(number) != number]
        rows = [
            [ids[number] for number, _ in losers],
            [ids[survivor] for _, survivor in losers],
            [float(signatures[number].jaccard(signatures[survivor])) for number, survivor in losers],
        ]
        out.table("clusters", pa.table(rows, schema=_CLUSTERS))


def _refuse_repeated(ids: list[str], name: str) -> None:
    repeated = len(ids) - len(set(ids))
    if repeated:
        raise YisangError(
            f"Step {name}: {repeated} prompts have the id of another one, so they are exact copies. Put a Group that removes "
            "exact duplicates before it."
        )


@dataclass(frozen=True)
class Survivors(_NearPhase):
    """Drops the losers of each cluster, naming the survivor."""

    def plan(self, inputs: Inputs) -> list[Work]:
        return even_slices(inputs.manifests[0])

    def run(self, work: Work, inputs: Inputs, out: ShardWriter, setting: Setting) -> None:
        losers = _losers(inputs.boundaries[1])
        for record in counted(inputs.slices(work.slices), out):
            lost = losers.get(record.id)
            if lost is None:
                out.keep(record)
            else:
                out.drop(self.near.name, record, Drop("near_duplicate", {"survivor": lost[0], "similarity": lost[1]}))


def _losers(boundary: Boundary) -> dict[str, tuple[str, float]]:
    table = boundary.table("clusters")
    rows = table.to_pylist() if table is not None else []
    return {row["id"]: (row["survivor"], round(row["similarity"], 4)) for row in rows}
