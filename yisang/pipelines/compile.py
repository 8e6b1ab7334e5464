"""A recipe becomes its phases, each with a digest of its own parameters and of all that it reads."""

from __future__ import annotations

from dataclasses import dataclass, replace

from yisang.pipelines.groups import GroupPhase, ResolvePhase, ShufflePhase
from yisang.pipelines.identity import digest, forget, identity
from yisang.pipelines.phases import ChainPhase, Phase, SourcePhase
from yisang.pipelines.recipe import Recipe
from yisang.pipelines.steps import ChainStep, Group, Stage
from yisang.records import SCHEMA_VERSION


@dataclass(frozen=True)
class Plan:
    """The phases of a recipe, in order; the last one is the sink."""

    recipe: str
    version: str
    phases: tuple[Phase, ...]
    fingerprint: str
    max_dead: float


def compile_recipe(recipe: Recipe, *, limit: int | None = None, inputs_digest: str = "", strict: bool = False) -> Plan:
    """Cuts a recipe into phases and gives each its digest: of its own parameters and of all that it reads."""
    forget()
    phases: list[Phase] = []

    def add(phase: Phase) -> None:
        read = [phases[number].digest for number in phase.reads]
        own = digest([type(phase).__name__, SCHEMA_VERSION, phase.parameters(), read])
        name = f"{len(phases):02d}-{phase.label}-{own[:12]}"
        phases.append(replace(phase, digest=own, name=name))

    def last() -> tuple[int, ...]:
        return (len(phases) - 1,)

    chain: list[ChainStep] = []

    def flush(label: str = "") -> None:
        if chain:
            names = tuple(step.name for step in chain)
            add(ChainPhase(label or chain[-1].name, last(), accounts_for=names, steps=tuple(chain)))
            chain.clear()

    add(
        SourcePhase(
            "source",
            (),
            accounts_for=("source",),
            sources=recipe.sources,
            limit=limit,
            inputs_digest=inputs_digest,
            strict=strict,
        )
    )
    for step in recipe.steps:
        if isinstance(step, Group):
            names = tuple(each.name for each in chain)
            add(
                ShufflePhase(
                    f"{step.name}.shuffle", last(), accounts_for=names, stored=False, steps=tuple(chain), group=step
                )
            )
            chain.clear()
            if step.several_keys:
                add(GroupPhase(f"{step.name}.verdicts", last(), stored=False, group=step))
                add(ResolvePhase(step.name, last(), accounts_for=(step.name,), group=step))
            else:
                add(GroupPhase(step.name, last(), accounts_for=(step.name,), group=step))
        elif isinstance(step, Stage):
            flush()
            offset = len(phases) - 1
            own = step.phases()
            for number, phase in enumerate(own):
                final = number == len(own) - 1
                add(
                    replace(
                        phase,
                        label=step.name if final else f"{step.name}.{phase.label}",
                        reads=tuple(read + offset for read in phase.reads),
                        accounts_for=(step.name,) if final else (),
                        stored=final,
                    )
                )
        else:
            chain.append(step)
            if step.keep:
                flush()
    flush("sink")
    fingerprint = digest([recipe.name, recipe.version, identity(recipe.sink, "sink"), phases[-1].digest])
    return Plan(recipe.name, recipe.version, tuple(phases), fingerprint, recipe.max_dead)
