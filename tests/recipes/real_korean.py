"""Real Korean texts of many kinds, the whole way: pages in EUC-KR, documents, chat, questions, broken archives.

Reads the sample data (its README has the licences), which lies beside the repository or where YISANG_SHARED_DATA says.
Expected: more than 30,000 records in, more than 2,500 kept; most chat lines and commands are too short to be questions.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import msgspec

from yisang.filters.cot import AnswerLanguage, Finish, Structure, ThinkShare, TokenLimit
from yisang.filters.duplicates import exact_key, keep_first, survivor_order
from yisang.filters.keep import Keep
from yisang.filters.language import MinShare, TargetShare
from yisang.filters.length import Length
from yisang.filters.licence import AllowLicence, licence
from yisang.filters.quota import HashOrder, Quota, category
from yisang.pipelines.curate import Corpus, ToExample
from yisang.pipelines.recipe import Recipe
from yisang.pipelines.stages.dedup import NearDuplicates
from yisang.pipelines.stages.teach import Teach
from yisang.pipelines.steps import Batch, Each, Group
from yisang.records import Page, Prompt, child_id
from yisang.sources import Csv, JsonLines
from yisang.sources.html_files import HtmlFiles
from yisang.sources.questions import PageToPrompts
from yisang.sources.warc import Warc
from yisang.teachers.generation import Sampling, Teacher
from yisang.teachers.prompts import MixedPrompt

LANGUAGE = "ko"
READ = "2026-11-01"


def data_folder() -> Path:
    given = os.environ.get("YISANG_SHARED_DATA")
    return Path(given) if given else Path(__file__).resolve().parents[3] / "shared" / "data"


def sections(prompt: Prompt) -> list[Prompt]:
    """A Markdown document → its sections, as a whole guide is longer than any question."""
    if prompt.kind != "open" or not prompt.source.endswith("-docs"):
        return [prompt]
    texts = [text.strip() for text in re.split(r"(?m)^(?=#{1,3} )", prompt.text)]
    return [
        msgspec.structs.replace(prompt, id=child_id(prompt.id, number), text=text, parents=(prompt.id,))
        for number, text in enumerate(texts)
        if text
    ]


def plant_copies(prompt: Prompt) -> list[Prompt]:
    """Every tenth prompt (by its id) that is long enough gets a near copy: the recipe's own test of its deduplication."""
    if int(prompt.id[:8], 16) % 10 or len(prompt.text) < 80:
        return [prompt]
    copy = msgspec.structs.replace(
        prompt,
        id=child_id(prompt.id, 9),
        text=f"{prompt.text}\n\n!!",
        parents=(prompt.id,),
        measures={"planted_copy": True},
    )
    return [prompt, copy]


def word_counts(prompts: list[Prompt]) -> list[dict[str, int]]:
    return [{"words": len(prompt.text.split())} for prompt in prompts]


def build() -> Recipe:
    data = data_folder()
    mit, apache = (licence(name, "LICENSE of the source repository", READ) for name in ("MIT", "Apache-2.0"))
    cc_by, cc_by_sa = (
        licence(name, "LICENSE of the source repository", READ) for name in ("CC-BY-4.0", "CC-BY-SA-4.0")
    )

    def documents(file: str, name: str, terms: object) -> JsonLines:
        return JsonLines(
            paths=str(data / "docs_ko" / file),
            text="text",
            language=LANGUAGE,
            name=f"{name}-docs",
            licence=terms,  # type: ignore[arg-type]
            category="Code",
        )

    return Recipe(
        name="real_korean",
        version="1",
        source=(
            HtmlFiles(str(data / "html" / "apache_httpd_manual.tar.gz"), licence=apache, category="Code", name="httpd"),
            Warc(
                (f"{data}/warc/warcio/*", f"{data}/warc/commoncrawl/*"), licence=apache, category="Daily", name="warc"
            ),
            documents("interview_questions.jsonl.gz", "interview", mit),
            documents("tech_interview.jsonl.gz", "tech", mit),
            documents("react_docs.jsonl.gz", "react", cc_by),
            JsonLines(
                paths=str(data / "text_ko" / "korean_instructions.jsonl.gz"),
                text=("instruction", "input"),
                language=LANGUAGE,
                name="instructions",
                licence=apache,
                category="Korean",
            ),
            JsonLines(
                paths=str(data / "text_ko" / "square_questions_valid.jsonl.gz"),
                text="question",
                language=LANGUAGE,
                name="square",
                licence=mit,
                category="Legal",
            ),
            Csv(
                paths=str(data / "text_ko" / "chatbot_qa.csv.gz"),
                text="Q",
                language=LANGUAGE,
                name="chat",
                licence=mit,
                category="Daily",
            ),
            Csv(
                paths=str(data / "near_dup" / "parakqc.tsv.gz"),
                delimiter="\t",
                names=("topic", "act", "text"),
                text="text",
                language=LANGUAGE,
                name="parakqc",
                licence=cc_by_sa,
                category="Daily",
            ),
        ),
        steps=(
            Each(AllowLicence(("A", "B")), name="licence_letter"),
            Each(PageToPrompts(LANGUAGE), on=Page, name="questions", isolate=True, timeout=20),
            Each(sections),
            Each(TargetShare(LANGUAGE), name="target_share"),
            Each(MinShare(0.30), name="min_share"),
            Each(Length(50, 8192), name="length"),
            Each(plant_copies, keep=True),
            Batch(word_counts, 64),
            Group(exact_key, keep_first, order=survivor_order, name="exact_duplicates"),
            NearDuplicates(threshold=0.8, shingle=5, permutations=128, name="near_duplicates"),
            Teach(
                Teacher(engine="echo", model="echo", revision="1"),
                MixedPrompt(LANGUAGE, "mixed", placement="first_turn"),
                Sampling(temperature=0.6, top_p=0.95, top_k=20, max_tokens=16384),
                name="teach",
            ),
            Each(Structure()),
            Each(ThinkShare(LANGUAGE, 0.05, 0.20)),
            Each(AnswerLanguage(LANGUAGE)),
            Each(Finish()),
            Each(TokenLimit(16384)),
            Each(
                Keep(
                    verdicts={
                        "structure": ("one",),
                        "think_share": ("in_band",),
                        "answer_language": ("target",),
                        "finish": ("stop",),
                        "tokens": ("within",),
                    }
                ),
                name="verdicts",
            ),
            Group(category, Quota({"Legal": 2_000}), order=HashOrder("real_korean"), name="quota"),
            Each(ToExample()),
        ),
        sink=Corpus(title="Real Korean", language=LANGUAGE, description="A test corpus of real texts, echoed."),
    )
