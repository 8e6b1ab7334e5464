"""The small models that ship with the package (`yisang.teachers.models`), through the engine transformers."""

from __future__ import annotations

from typing import Any

from yisang.teachers import models
from yisang.teachers.engines.transformers import Transformers

BATCH = 64
"""Answers at once. Measured with 0.9M parameters in fp32 on one core: 128 is no faster, and 16 makes about half as many tokens."""

NUMERICS: dict[str, Any] = {"device": "cpu", "dtype": "float32", "batch_size": BATCH}
"""Options of the engine transformers that make it compute another folder as this engine does."""


class Mini(Transformers):
    """model: "mini" or "mini-base". revision: what `models.revision(model)` says, the digest of the files that ship.

    Another revision is refused, for its answers would be stored, and found again, as those of weights that are not here.
    The weights are stored in bf16 and computed with in fp32. device: the CPU unless told otherwise ("auto" takes a GPU
    where there is one). batch_size: as of the engine transformers.

    Raises UsageError if the model does not ship or the revision is another.
    """

    def __init__(self, model: str, revision: str, *, device: str = "cpu", batch_size: int = BATCH):
        path = models.of_revision(model, revision)
        options = NUMERICS | {"device": device, "batch_size": batch_size}
        super().__init__(model, revision, path=path, **options)
