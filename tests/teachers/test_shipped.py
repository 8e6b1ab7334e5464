"""The models that ship: small, in bf16, with a template that marks what the assistant says, and able to do what is said of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from yisang.evals.evaluate import evaluate
from yisang.evals.models import teacher_of
from yisang.evals.protocols import protocol
from yisang.filters.cot import Structure
from yisang.records import Trace
from yisang.tasks.problems import Request, make_problem
from yisang.teachers import models
from yisang.teachers.answers import AnswerStore
from yisang.teachers.engines.mini import Mini
from yisang.teachers.generation import Sampling, Teacher
from yisang.teachers.prompts import MixedPrompt
from yisang.teachers.rollouts import teach
from yisang.teachers.strategies import Once, ThinkingBudget

pytest.importorskip("torch")

LARGEST = 4_000_000
GREEDY = protocol("greedy", {"max_tokens": 512})


def verified(model: str, settings: str, out: Path) -> list[float]:
    """The share verified for each number of operations."""
    bench = f"tasks:preset=narrow,context=zoo,seed=5,{settings}"
    (found,) = evaluate(teacher_of(model, "", "", {}), [bench], GREEDY, str(out)).benches
    return [float(cell.measures["verified"].mean or 0) for cell in found.cells.values()]


def test_these_ship() -> None:
    assert models.shipped() == ["mini", "mini-base"]


@pytest.mark.parametrize("name", ["mini", "mini-base"])
def test_a_model_is_small_and_says_what_it_is(name: str) -> None:
    import torch
    import transformers

    assert sum(path.stat().st_size for path in models.folder(name).iterdir()) <= LARGEST
    model: Any = transformers.AutoModelForCausalLM.from_pretrained(models.folder(name))
    tokenizer = transformers.AutoTokenizer.from_pretrained(models.folder(name))
    assert model.config.model_type == "qwen3"
    assert model.dtype == torch.bfloat16
    assert "{% generation %}" in tokenizer.chat_template
    asked = [{"role": "user", "content": "곰은 3마리이다."}, {"role": "assistant", "content": "답은 3입니다."}]
    found = tokenizer.apply_chat_template(asked, return_assistant_tokens_mask=True, return_dict=True)
    assert 0 < sum(found["assistant_masks"]) < len(found["input_ids"])
    assert tokenizer.eos_token_id in model.generation_config.eos_token_id


@pytest.mark.parametrize("mode", ["mixed", "target_only", "english_only"])
def test_the_teacher_solves_what_it_was_trained_on(mode: str, tmp_path: Path) -> None:
    assert min(verified("mini", f"lang=ko,mode={mode},ops=1-3,n=8", tmp_path)) >= 0.7


def test_the_student_is_half_trained_and_falls_with_operations(tmp_path: Path) -> None:
    one, two, three, four = verified("mini-base", "lang=ko,mode=none,ops=1-4,n=40", tmp_path)
    assert 0.2 <= (one + two + three + four) / 4 <= 0.6
    assert one > two > three > four


def test_an_answer_that_a_budget_cut_goes_on_as_if_it_had_not_been_cut(tmp_path: Path) -> None:
    revision = models.revision("mini")
    teacher = Teacher(engine="mini", model="mini", revision=revision)
    prompts = [make_problem(Request("ko", 2, 4, preset="narrow"), 7, number).prompt("tasks") for number in range(16)]
    greedy = Sampling(temperature=0, max_tokens=400)
    traces = []
    for strategy in (Once(), ThinkingBudget(100, answer_tokens=300)):
        engine = Mini("mini", revision)
        with AnswerStore(tmp_path / "answers") as store:
            asked = teach(prompts, teacher, MixedPrompt(), greedy, 1, engine, store, strategy=strategy)
            traces.append([Structure()(trace) for trace in asked if isinstance(trace, Trace)])
    whole, bounded = traces
    how = [trace.verdicts["thinking_budget"] for trace in bounded]
    assert set(how) == {"within", "continued", "forced_close"}
    for long, short, verdict in zip(whole, bounded, how, strict=True):
        if verdict == "forced_close":
            assert (long.think or "").startswith((short.think or "").rpartition("\n\n")[0])
        else:
            assert short.text == long.text
