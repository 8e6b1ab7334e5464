"""What is looked at before a run: that what its phases need is there, so that nothing is read or paid for in vain."""

from __future__ import annotations

from collections.abc import Sequence

from yisang.pipelines.boundary import Boundary
from yisang.pipelines.phases import Phase, Setting
from yisang.pipelines.stages.teach import check_addresses


def check_ahead(phases: Sequence[Phase], boundaries: Sequence[Boundary], setting: Setting) -> None:
    """Asks each phase that is still to be done whether it can be. Raises UsageError for one that cannot.

    phases: those that will run, with their boundaries. What is finished needs nothing more, neither a teacher nor the network.
    """
    check_addresses(phases, setting)
    for phase, boundary in zip(phases, boundaries, strict=True):
        if boundary.manifest() is None:
            phase.check(setting)
