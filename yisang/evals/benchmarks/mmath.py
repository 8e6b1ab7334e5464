"""MMATH: 374 competition problems in ten languages (arXiv 2505.19126). Held out.

Languages: ar en es fr ja ko pt th vi zh. Rows have `question`, `answer`, `lang` and `gid`, which is the same for one problem
in all languages: such rows are not independent, so intervals count problems, not rows.

Besides the accuracy: whether the thinking and the answer are in the question's language (`lc_think`, `lc_answer`; see
`yisang.evals.language_id`), and `lc_acc`, right and answered in that language, which TRIT reports
(arXiv 2602.05940).
"""

from __future__ import annotations

from yisang.errors import UsageError
from yisang.evals.benchmarks import Benchmark, Item, Settings
from yisang.evals.benchmarks.asking import BOXED, asker
from yisang.evals.benchmarks.tables import located, rows, text
from yisang.evals.language_id import check_language
from yisang.records import content_id, nfc

COLUMNS = ("question", "answer", "lang", "gid")


class MmathSettings(Settings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """lang: one or more. limit: problems of each at most, 0 for all. mode, placement: as in `asking.asker`.

    path: a local file or folder; else `repo` of the Hub is read at `revision` (its main branch unless said).
    """

    lang: tuple[str, ...] = ("ko",)
    limit: int = 0
    mode: str = BOXED
    placement: str = ""
    path: str = ""
    repo: str = "RUCAIBox/MMATH"
    revision: str = ""


def items(settings: MmathSettings) -> list[Item]:
    place = located(settings.path, settings.repo, settings.revision)
    found: list[Item] = []
    for language in settings.lang:
        check_language(language)
        ask = asker(language, settings.mode, settings.placement)
        own: dict[str, Item] = {}
        for where, row in rows(place, language, COLUMNS):
            text(row, "lang", where)
            question, gold = nfc(text(row, "question", where)), text(row, "answer", where)
            problem = f"mmath/{text(row, 'gid', where)}"
            id_ = content_id("mmath", language, question, gold)
            own.setdefault(
                id_,
                Item(
                    id_,
                    question,
                    gold,
                    language,
                    ask(question),
                    cell=language,
                    cluster=problem,
                    consistency=("think", "answer"),
                ),
            )
            if len(own) == settings.limit:
                break
        if not own:
            raise UsageError(f"{place} has no questions in {language!r}. Name another lang, or the file with path=.")
        found += own.values()
    return found


BENCHMARK = Benchmark("mmath", held_out=True, settings=MmathSettings, items=items, cell="lang")
