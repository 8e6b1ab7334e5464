"""What is looked at before a run: that what its phases need is there, so that nothing is read or paid for in vain, and how old its
registries of sites are."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from yisang.filters.licence import TagSite
from yisang.pipelines.boundary import Boundary
from yisang.pipelines.phases import Phase, Setting
from yisang.pipelines.recipe import Recipe
from yisang.pipelines.stages.teach import check_addresses
from yisang.sources.rights.licences import TagLicence


def check_ahead(phases: Sequence[Phase], boundaries: Sequence[Boundary], setting: Setting) -> None:
    """Asks each phase that is still to be done whether it can be. Raises UsageError for one that cannot.

    phases: those that will run, with their boundaries. What is finished needs nothing more, neither a teacher nor the network.
    """
    check_addresses(phases, setting)
    for phase, boundary in zip(phases, boundaries, strict=True):
        if boundary.manifest() is None:
            phase.check(setting)


def registry_warnings(recipe: Recipe, today: datetime.date) -> tuple[str, ...]:
    """One line for each registry of the recipe's steps with entries that were read more than a year before today. For whoever starts a
    command, who knows the day; no step does."""
    steps = [getattr(step, "fn", None) for step in recipe.steps]
    lines = [fn.registry.age_warning(today) for fn in steps if isinstance(fn, TagSite | TagLicence)]
    return tuple(dict.fromkeys(line for line in lines if line))
