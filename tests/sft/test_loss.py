"""One mean over all targets of a step, however it is cut into passes and processes. In float64.

TRL computes log-probabilities in float32 whatever the weights are, so equality is to 1e-6; the wrong twins are off by
more than a thousand times that.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from transformers import TrainerCallback

from yisang.errors import UsageError
from yisang.sft.collate import Collator
from yisang.sft.padding_free import leak, refuse_leak
from yisang.sft.run import prepare_training, train
from yisang.sft.trainer import Trainer

TOLERANCE = 1e-6


def gradients_of(config, out: Path) -> tuple[float, dict[str, torch.Tensor]]:
    """Loss and gradients of the first step, as the trainer computes them."""
    prepared = prepare_training(config, out, lambda line: None)
    found: dict[str, torch.Tensor] = {}
    logged: list[dict[str, float]] = []

    class Keep(TrainerCallback):
        def on_pre_optimizer_step(self, args, state, control, **kwargs):
            if not found:
                found.update((name, weight.grad.clone()) for name, weight in kwargs["model"].named_parameters())

    trainer = Trainer(
        config,
        prepared.plan,
        prepared.rows,
        model=prepared.model,
        tokenizer=prepared.tokenizer,
        out=out,
        say=lambda line: None,
        on_log=logged.append,
        arguments={"gradient_accumulation_steps": prepared.plan.passes(config.batch.micro_rows, 1)},
    )
    trainer.add_callback(Keep())
    trainer.train()
    return logged[0]["loss"], found


def by_hand(config, out: Path, mean_of_means: int = 0) -> tuple[float, dict[str, torch.Tensor]]:
    """Loss and gradients of all rows, each alone; as a mean of means over so many passes, which is the wrong twin."""
    prepared = prepare_training(config, out, lambda line: None)
    model, collate = prepared.model, Collator(prepared.tokenizer.pad_token_id)
    _, step = next(iter(prepared.plan.all_steps()))
    passes = prepared.plan.dealt(step, mean_of_means or 1)
    total = 0.0
    targets = sum(int((collate([prepared.rows[row]])["labels"] != -100).sum()) for row in step)
    for one in passes:
        sums, count = torch.zeros((), dtype=torch.float64), 0
        for row in one:
            batch = collate([prepared.rows[row]])
            logits = model(input_ids=batch["input_ids"]).logits[:, :-1].reshape(-1, len(prepared.tokenizer))
            labels = batch["labels"][:, 1:].reshape(-1)
            sums = sums + torch.nn.functional.cross_entropy(logits, labels, reduction="sum", ignore_index=-100)
            count += int((labels != -100).sum())
        loss = sums / count / len(passes) if mean_of_means else sums / targets
        loss.backward()
        total += loss.item()
    return total, {name: weight.grad.clone() for name, weight in model.named_parameters()}


def apart(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    assert one.keys() == other.keys()
    return max(float((one[name] - other[name]).abs().max()) for name in one)


@pytest.fixture(scope="module")
def whole(tokenizer, tmp_path_factory):
    """Loss and gradients of the whole step by hand."""
    cache: dict[str, tuple[float, dict[str, torch.Tensor]]] = {}

    def make(config):
        if not cache:
            cache["hand"] = by_hand(config, tmp_path_factory.mktemp("hand"))
        return cache["hand"]

    return make


@pytest.mark.parametrize("padding_free", [False, True])
@pytest.mark.parametrize("micro_rows", [12, 5, 3, 2, 1])
def test_any_cut_into_passes_gives_the_loss_and_gradients_of_the_whole_step(
    settings, whole, tmp_path, micro_rows, padding_free
):
    config = settings(batch={"rows": 12, "micro_rows": micro_rows, "padding_free": padding_free})
    loss, gradients = gradients_of(config, tmp_path)
    expected, wanted = whole(settings())
    assert abs(loss - expected) < TOLERANCE
    assert apart(gradients, wanted) < TOLERANCE
    assert max(float(gradient.abs().max()) for gradient in wanted.values()) > 0.01


@pytest.mark.parametrize(("passes", "rows", "ops"), [(2, 3, "1-8"), (3, 3, "1-8"), (6, 12, "1-3")])
def test_a_mean_of_means_would_be_seen(settings, tmp_path, passes, rows, ops):
    """Over so many passes, or processes: the mistake is the same. Passes are dealt by cost, so with few of many rows each holds nearly
    as many targets; three rows of very different lengths cannot be dealt alike."""
    config = settings(rows=rows, batch={"rows": rows}, data=[{"rows": rows, "tasks": {"ops": ops, "seed": 3}}])
    expected, wanted = by_hand(config, tmp_path / "whole")
    loss, gradients = by_hand(config, tmp_path / "twin", mean_of_means=passes)
    assert abs(loss - expected) > 1e3 * TOLERANCE
    assert apart(gradients, wanted) > 1e3 * TOLERANCE


def test_rows_end_to_end_do_not_see_each_other_and_a_leak_would_be_seen(settings, tmp_path):
    prepared = prepare_training(settings(), tmp_path, lambda line: None)
    rows = [prepared.rows[number] for number in range(4)]
    pad = prepared.tokenizer.pad_token_id
    assert leak(prepared.model, rows, pad) < 1e-9
    model = prepared.model
    unmasked = model.forward

    def leaky(*args, **kwargs):  # a mask of ones beside the positions: all rows are one text
        if "position_ids" in kwargs:
            kwargs["attention_mask"] = torch.ones_like(kwargs["input_ids"])
        return unmasked(*args, **kwargs)

    model.forward = leaky
    assert leak(model, rows, pad) > 1e-3
    with pytest.raises(UsageError, match="rows see each other"):
        refuse_leak(model, rows, pad)


def test_layers_that_keep_a_state_are_refused_without_padding(settings, tmp_path):
    """Their state runs on over the end of a row, whatever the positions say."""
    config = settings(
        model={
            "architecture": "lfm2",
            "config": {
                "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1,
                "intermediate_size": 48, "layer_types": ["conv", "full_attention"], "tie_word_embeddings": True,
            },
        },
        batch={"padding_free": True},
    )  # fmt: skip
    with pytest.raises(UsageError, match=r"batch.padding_free cannot be used with Lfm2ForCausalLM"):
        train(config, str(tmp_path / "run"))


def test_models_that_count_no_targets_by_themselves_get_one_mean_all_the_same(settings, whole, tmp_path, monkeypatch):
    """transformers leaves the count to models, some of which say that they take none; then each pass would have its own."""
    from transformers import Qwen3ForCausalLM

    monkeypatch.setattr(Qwen3ForCausalLM, "accepts_loss_kwargs", False, raising=False)
    _, gradients = gradients_of(settings(batch={"rows": 12, "micro_rows": 2}), tmp_path)
    assert apart(gradients, whole(settings())[1]) < TOLERANCE


TWO = r"""
import json, os, sys, torch
import msgspec
from pathlib import Path
from yisang.sft import trainer
from yisang.sft.config import Config
from yisang.sft.run import train
from transformers import TrainerCallback
out = Path(sys.argv[2])

class Keep(TrainerCallback):
    def on_pre_optimizer_step(self, args, state, control, **kwargs):
        if state.global_step == 0:
            names = {name: weight.grad.clone() for name, weight in kwargs["model"].named_parameters()}
            torch.save(names, out / f"gradients-{torch.distributed.get_rank()}.pt")

made, world = trainer.Trainer.__init__, 1

def watched(self, *arguments, **named):
    global world
    made(self, *arguments, **named)
    self.add_callback(Keep())
    world = torch.distributed.get_world_size() if torch.distributed.is_initialized() else 1

trainer.Trainer.__init__ = watched
config = msgspec.convert(json.load(open(sys.argv[1])), Config)
train(config, sys.argv[2])
assert not torch.distributed.is_initialized()  # else its threads may outlive Python, and abort the process
os.write(1, f"WORLD {world}\n".encode())  # at once, or the two lines may mix
"""


def losses(out: Path) -> list[float]:
    return [json.loads(line)["loss"] for line in (out / "log.jsonl").read_text().splitlines()]


@pytest.fixture
def under_torchrun(torchrun, tmp_path):
    """under_torchrun(2, config) → the folder of a training in so many processes, with the gradients of its first step."""

    def train_in(processes: int, config) -> Path:
        (tmp_path / "config.json").write_text(json.dumps(config.to_json()))
        (tmp_path / "two.py").write_text(TWO)
        ran = torchrun(processes, tmp_path / "two.py", str(tmp_path / "config.json"), str(tmp_path / "two"))
        assert ran.returncode == 0, ran.stderr
        assert ran.stdout.count(f"WORLD {processes}") == processes, ran.stdout
        return tmp_path / "two"

    return train_in


@pytest.mark.parametrize(("processes", "micro_rows"), [(2, 3), (3, 2)])
def test_any_cut_into_processes_gives_the_loss_and_gradients_of_the_whole_step(
    settings, whole, under_torchrun, processes, micro_rows
):
    expected, wanted = whole(settings())
    out = under_torchrun(processes, settings(batch={"rows": 12, "micro_rows": micro_rows}))
    assert abs(losses(out)[0] - expected) < TOLERANCE
    for rank in range(processes):
        assert apart(torch.load(out / f"gradients-{rank}.pt"), wanted) < TOLERANCE


def test_two_processes_are_one(settings, under_torchrun, tmp_path):
    """With rows that do not divide evenly: 13 rows, steps of 5, so the last step has 3 for 2 x 2 passes."""
    from safetensors.torch import load_file

    config = settings(rows=13, batch={"rows": 5, "micro_rows": 2}, optimizer={"rate": 1e-2, "clip": 1.0})
    train(config, str(tmp_path / "one"))
    under_torchrun(2, config)
    assert losses(tmp_path / "two") == pytest.approx(losses(tmp_path / "one"), abs=TOLERANCE)
    assert len(losses(tmp_path / "two")) == 3
    one, two = (load_file(tmp_path / name / "model" / "model.safetensors") for name in ("one", "two"))
    assert apart(one, two) < 1e-5  # three steps of AdamW, which divides by small numbers
