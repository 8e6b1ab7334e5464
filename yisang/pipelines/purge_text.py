"""What a purge did, in words."""

from __future__ import annotations

from yisang.pipelines.purge import OfPages, OfPublication, OfRun, Report
from yisang.pipelines.purge_proof import Place

SHOWN = 10


def report_text(found: Report) -> str:
    head = "Would be taken out" if found.dry_run else "Taken out"
    lines = [f"{head}: {found.target}"]
    lines += [line for run in found.runs for line in _run(run)]
    lines += [f"  {address}: {count:,} answers" for address, count in found.answers.items()]
    lines += [_pages(pages) for pages in found.pages]
    lines += [_publication(one, found.dry_run) for one in found.published]
    if not found.dry_run:
        lines += _proof(found)
    lines += _beyond(found)
    return "\n".join(lines)


def _run(run: OfRun) -> list[str]:
    lines = [
        f"  {run.run}: {run.records:,} stored records ({run.kept:,} of what the run keeps), {run.dropped:,} drops, {run.dead:,} dead letters"
    ]
    if run.shared:
        lines.append(
            f"    {run.shared:,} questions stand word for word in another source too; those of that source stay"
        )
    if run.subdomains:
        lines.append(f"    {run.subdomains:,} records of subdomains stay; --subdomains takes them too")
    return lines


def _pages(pages: OfPages) -> str:
    parts = [f"{pages.records:,} WARC records ({pages.responses:,} responses)"]
    parts += [f"{pages.folders:,} folders"] if pages.folders else []
    parts += [f"{pages.lines:,} lines of SQLite files"] if pages.lines else []
    parts += [f"{pages.mentions:,} mentions in notes of the crawl"] if pages.mentions else []
    return f"  {pages.place}: {', '.join(parts)}"


def _publication(one: OfPublication, dry_run: bool) -> str:
    if one.after is None:
        return f"  {one.folder}: removed, as the run keeps no rows any more"
    verb = "would have" if dry_run else "has"
    return f"  {one.folder}: {verb} {one.after:,} rows, of {one.before:,}"


def _proof(found: Report) -> list[str]:
    searched = f"Searched {found.files:,} files, {found.bytes:,} bytes unpacked"
    lines = []
    if found.clean:
        lines.append(f"{searched}: no byte of it is left.")
    else:
        lines.append(f"{searched}: NOT CLEAN, {len(found.left):,} files still hold something.")
        lines += _places(found.left)
        lines.append("  Remove or mend these by hand and run the same command again: it goes on from here.")
    if found.mentions:
        lines.append(f"Other sources mention it, in their own words, in {len(found.mentions):,} files; those stay:")
        lines += _places(found.mentions)
    return lines


def _places(places: tuple[Place, ...]) -> list[str]:
    lines = []
    for place in places[:SHOWN]:
        counted = [
            (place.record, "records of it"), (place.name, "times its name"), (place.id, "ids of its records"), (place.text, "passages of its texts")
        ]  # fmt: skip
        lines.append(f"  {place.path}: {', '.join(f'{count:,} {what}' for count, what in counted if count)}")
    if len(places) > SHOWN:
        lines.append(f"  and {len(places) - SHOWN:,} more (--json lists all)")
    return lines


def _beyond(found: Report) -> list[str]:
    """What a purge cannot reach, and what would bring the source back."""
    lines = []
    for path, count in found.inputs.items():
        held = "names it" if count is None else f"holds {count:,} records of it"
        how = "take its rows out by hand" if count is None else f"purge it too: --pages {path}"
        lines.append(
            f"Input {path} still {held}. A run that reads it anew (another folder, --limit, a changed file) brings it back; {how}."
        )
    if found.others:
        lines.append(f"Not searched, name them with --run where they had the same source: {', '.join(found.others)}")
    for student in found.students:
        lines.append(f"{student} was trained on the run and is made of it too. It stays: remove it, or train it again.")
    if found.runs and not found.dry_run:
        lines.append(
            "Out of reach: copies on the Hub (publish again with --repo; older revisions stay there until the data set is removed or its "
            "history squashed), backups, versions that an object store keeps, models trained elsewhere."
        )
        lines.append(
            "To keep it out of later runs, give the host letter C in your registry (docs/registry.md) and deny it in the crawl's sites."
        )
    return lines
