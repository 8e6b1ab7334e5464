"""A host is purged whose questions lent options to those of others."""

from __future__ import annotations

import json
from pathlib import Path

from purge_web import OTHER, TARGET, holding, write_warc
from recipes_for_tests.helpers import HERE

from yisang.pipelines.boundary import Boundary
from yisang.pipelines.phases import Setting
from yisang.pipelines.purge import Where, purge
from yisang.pipelines.purge_target import Target
from yisang.pipelines.recipe import load
from yisang.pipelines.run import open_run, read_books, run_recipe
from yisang.records import Prompt
from yisang.sources import Exams


def web() -> dict[str, str]:
    """url → body; one host of three is the target."""
    source = Exams(items=90, seed=7, language="ko", traps=0)
    asked = [item for shard in source.shards() for item in source.read(shard) if isinstance(item, Prompt)]
    lines = [
        json.dumps({"text": one.text, "options": one.options, "gold": one.gold}, ensure_ascii=False) for one in asked
    ]
    return {
        f"https://{TARGET if number % 3 == 0 else OTHER}/{number}": "\n".join(lines[number::12]) for number in range(12)
    }


def prompts(run: Path, step: str) -> list[Prompt]:
    out, manifest = open_run(str(run))
    (name,) = [name for name in manifest.phases if f"-{step}-" in name]
    return [record for record in Boundary(out, name).all_records() if isinstance(record, Prompt)]


def test_questions_of_others_that_were_lent_its_options_go_and_the_books_balance(tmp_path: Path) -> None:
    warc = write_warc(tmp_path / "web.warc.gz", web())
    run = tmp_path / "run"
    run_recipe(load(str(HERE / "lending.py"), inputs=str(warc)), Setting(str(run)))
    before = prompts(run, "merge_options")
    own = {one.id for one in before if TARGET in one.url}
    asked = {one.id.rpartition("/")[0] for one in before if one.parents} & {one.id for one in before}
    assert asked == set(), "a child takes its question's place"
    theirs = {one.parents[0] for one in before if one.parents and TARGET in one.url} | own
    lent = [one for one in before if TARGET not in one.url and set(one.parents) & theirs]
    assert len(lent) > 5, "no question of another host was lent an option"

    found = purge(Target.of([TARGET], []), Where((str(run),), (), (str(warc),)))
    assert found.clean
    assert holding(tmp_path, [TARGET]) == {}
    after = {one.id for one in prompts(run, "merge_options")}
    assert after
    assert after <= {one.id for one in before} - own - {one.id for one in lent}
    steps = {step.name: step for step in read_books(open_run(str(run))[0]).steps}
    for step in steps.values():
        assert step.taken + step.born == step.kept + sum(step.dropped.values()) + step.dead, step
    assert steps["merge_options"].kept == len(after)
    assert steps["merge_options"].born == -len(lent)
    assert purge(Target.of([TARGET], []), Where((str(run),))).clean
