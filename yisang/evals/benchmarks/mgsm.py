"""MGSM: 250 grade-school problems of GSM8K, translated by people (arXiv 2210.03057). Held in.

Languages: bn de en es fr ja ru sw te th zh. There is no Korean, so a local file may hold it: `mgsm:lang=ko,path=FILE`.
Rows have `question` and `answer_number` (.tsv: in this order).
"""

from __future__ import annotations

from yisang.errors import UsageError
from yisang.evals.benchmarks import Benchmark, Item, Settings
from yisang.evals.benchmarks.asking import BOXED, asker
from yisang.evals.benchmarks.tables import located, rows, text
from yisang.records import content_id, nfc

COLUMNS = ("question", "answer_number")


class MgsmSettings(Settings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """lang: one or more. limit: questions of each at most, 0 for all. mode, placement: as in `asking.asker`.

    path: a local file or folder; else `repo` of the Hub is read at `revision` (its main branch unless said).
    """

    lang: tuple[str, ...] = ("en",)
    limit: int = 0
    mode: str = BOXED
    placement: str = ""
    path: str = ""
    repo: str = "juletxara/mgsm"
    revision: str = ""


def items(settings: MgsmSettings) -> list[Item]:
    place = located(settings.path, settings.repo, settings.revision)
    found: list[Item] = []
    for language in settings.lang:
        ask = asker(language, settings.mode, settings.placement)
        own: dict[str, Item] = {}
        for where, row in rows(place, language, COLUMNS):
            question, gold = nfc(text(row, "question", where)), text(row, "answer_number", where)
            id_ = content_id("mgsm", language, question, gold)
            own.setdefault(id_, Item(id_, question, gold, language, ask(question), cell=language))
            if len(own) == settings.limit:
                break
        if not own:
            raise UsageError(f"{place} has no questions in {language!r}. Name another lang, or the file with path=.")
        found += own.values()
    return found


BENCHMARK = Benchmark("mgsm", held_out=False, settings=MgsmSettings, items=items, cell="lang")
