"""The engines by name, and the one without a model."""

from __future__ import annotations

import asyncio
import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest

from yisang.errors import UsageError
from yisang.filters.cot import AnswerLanguage, Structure, ThinkShare
from yisang.languages import load
from yisang.languages.shares import script_share
from yisang.records import Trace
from yisang.teachers.answers import AnswerStore
from yisang.teachers.engines import ENGINES, available, open_engine, request_body
from yisang.teachers.engines.echo import Echo
from yisang.teachers.generation import Sampling, Teacher
from yisang.teachers.prompts import MixedPrompt
from yisang.teachers.rollouts import teach

from .conftest import prompt, question

REPOSITORY = Path(__file__).resolve().parents[2]
QUESTIONS = REPOSITORY.parent / "shared/data/text_ko/korean_instructions.jsonl.gz"
KOREAN = "곰은 3마리이다. 사자는 곰보다 5마리 많다. 사자의 수를 구하고, 그 이유를 짧게 설명하라."


def run(engine, messages, sampling=Sampling(), sample=0):
    return asyncio.run(engine.generate(messages, sampling, sample))


def test_an_unknown_engine_is_refused_with_the_names():
    with pytest.raises(UsageError, match="echo, mini, openai, scripted, transformers, vllm, vllm-offline"):
        open_engine(Teacher(engine="vlm", model="m", revision="r"))


def test_an_unknown_option_is_refused_with_the_names():
    with pytest.raises(UsageError, match=r"no option base_urls\. It takes: base_url, key_env"):
        open_engine(Teacher(engine="openai", model="m", revision="r"), base_urls="http://x/v1")


def test_options_of_the_command_line_go_before_those_of_the_recipe():
    teacher = Teacher(engine="openai", model="m", revision="r", options={"base_url": "http://a/v1", "concurrency": 3})
    engine = open_engine(teacher, base_url="http://b/v1")
    assert (engine.base_url, engine.concurrency, engine.model, engine.revision) == ("http://b/v1", 3, "m", "r")


def test_available_says_what_is_missing_and_what_mends_it(monkeypatch):
    found = available()
    assert set(found) == set(ENGINES)
    assert found["echo"] is None
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    for name in ("mini", "transformers"):
        assert available()[name] == "torch and transformers are not installed: pip install 'yisang[train]'"
    with pytest.raises(UsageError, match="cannot run here: torch and transformers"):
        open_engine(Teacher(engine="transformers", model="m", revision="r"))


def test_teachers_are_imported_without_torch():
    code = (
        "import sys, yisang.teachers.rollouts, yisang.teachers.engines as e, yisang.teachers.engines.mini;"
        "e.available(); print([n for n in ('torch', 'transformers', 'apache_beam', 'datatrove') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_canonical_body_has_every_setting():
    body = request_body("m", question("q"), Sampling(temperature=1, seed=3), 2)
    assert body == {
        "model": "m",
        "messages": [{"role": "user", "content": "q"}],
        "temperature": 1.0,
        "top_p": 0.95,
        "top_k": 20,
        "min_p": 0.0,
        "max_tokens": 16384,
        "thinking": True,
        "seed": 5,
    }
    assert set(body) == {"model", "messages", *Sampling.__struct_fields__}


# echo


def test_echo_is_deterministic_and_samples_differ():
    first = run(Echo(), question(KOREAN))
    assert first == run(Echo(), question(KOREAN))
    assert len({run(Echo(), question(KOREAN), sample=n).text for n in range(5)}) == 5


@pytest.mark.parametrize("placement", ["system", "first_turn", "prefix"])
def test_echo_passes_the_checks_of_a_mixed_trace(tmp_path, placement):
    teacher = Teacher(engine="echo", model="echo", revision="1")
    store = AnswerStore(tmp_path)
    template = MixedPrompt(placement=placement)
    (trace,) = teach([prompt(KOREAN)], teacher, template, Sampling(), 1, open_engine(teacher), store)
    for check in (Structure(), ThinkShare("ko"), AnswerLanguage("ko")):
        trace = check(trace)
    assert isinstance(trace, Trace)
    assert trace.verdicts == {"structure": "one", "think_share": "in_band", "answer_language": "target"}
    assert trace.answer == f"“{KOREAN}”"
    assert 0.10 <= trace.measures["think_target_share"] <= 0.14


@pytest.mark.skipif(not QUESTIONS.exists(), reason="needs the shared sample data")
def test_echo_stays_near_its_share_on_real_questions():
    korean = load("ko")
    with gzip.open(QUESTIONS, "rt", encoding="utf-8") as file:
        texts = [text for text in (json.loads(line).get("instruction") for line in file) if text]
    asked = [text for text in texts if (script_share(text, korean) or 0) > 0.5][:300]
    shares = [script_share(run(Echo(), question(text)).think, korean) for text in asked]
    assert len(shares) == 300
    assert sum(0.10 <= share <= 0.14 for share in shares) >= 295


def test_echo_asked_in_english_has_nothing_to_quote():
    answer = run(Echo(), question("How many lions are there, if there are five more lions than bears?"))
    assert script_share(answer.think, load("ko")) == 0


def test_echo_quotes_what_its_language_file_names():
    answer = run(
        Echo(revision="1;language=ja"),
        question("東京から大阪までの距離は何キロメートルですか。詳しく説明してください。"),
    )
    assert script_share(answer.think, load("ja")) > 0.05


def test_echo_cuts_at_max_tokens():
    answer = run(Echo(), question(KOREAN), Sampling(max_tokens=20))
    assert (answer.finish_reason, answer.structure, answer.usage.completion_tokens) == ("length", "unclosed", 20)


def test_echo_does_not_think_when_told_so():
    assert run(Echo(), question(KOREAN), Sampling(thinking=False)).structure == "absent"


def test_echo_stands_in_for_no_other_model():
    # Its answers would be found again as those of the model.
    with pytest.raises(UsageError, match="cannot stand in for Qwen"):
        open_engine(Teacher(engine="echo", model="Qwen/Qwen3-32B", revision="1"))
