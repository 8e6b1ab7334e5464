"""The student: tokenizer, chat template and model, loaded or drawn from a seed."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from yisang.errors import UsageError
from yisang.sft.config import Config, Init
from yisang.sft.encode import texts_for_tokenizer
from yisang.sft.tokenizer import train_tokenizer
from yisang.storage import TEMPORARY
from yisang.teachers import models

_OUTPUTS = ("o_proj.weight", "down_proj.weight")
"""The last matrices of a block, as the Llama family and those after it name them."""


def model_source(name: str) -> str:
    """What transformers opens for a model's name: a folder here, one that ships with yisang, or the name itself."""
    return str(models.folder(name)) if name in models.shipped() and not Path(name).is_dir() else name


def open_tokenizer(config: Config, folder: Path, say: Callable[[str], None]) -> Any:
    """The student's tokenizer; one that is trained is kept in `folder`, and taken from there when a run goes on."""
    from transformers import AutoTokenizer

    wanted = config.model.tokenizer or model_source(config.model.name)
    if wanted == "train":
        kept = folder / "tokenizer"
        if not (kept / "tokenizer.json").exists():
            say(f"tokenizer: {config.tokenizer.vocabulary} tokens, from {config.tokenizer.rows:,} rows")
            found = train_tokenizer(texts_for_tokenizer(config, config.tokenizer.rows), config.tokenizer)
            saving = folder / f"{TEMPORARY}tokenizer"
            found.save_pretrained(saving)
            saving.rename(kept)
        wanted = str(kept)
    try:
        found = AutoTokenizer.from_pretrained(
            wanted,
            revision=config.model.revision if wanted == config.model.name else None,
            trust_remote_code=config.model.trust_remote_code,
        )
    except (OSError, ValueError) as error:
        raise UsageError(f"The tokenizer {wanted} could not be loaded: {_first_line(error)}") from error
    if found.eos_token_id is None:
        raise UsageError(f"The tokenizer {wanted} has no end-of-sequence token, so no answer would learn to end.")
    if found.pad_token_id is None:
        found.pad_token = found.eos_token  # padding is masked and never a target
    return found


def open_model(config: Config, tokenizer: Any) -> Any:
    """The student's weights, in `model.dtype`."""
    from transformers import AutoModelForCausalLM

    model = config.model
    dtype = getattr(torch, model.dtype)
    if model.init == "config":
        built = AutoModelForCausalLM.from_config(_configuration(config, tokenizer), attn_implementation=model.attention)
        draw_weights(built, config.init, config.seed)
        # Else `transformers serve` would take the likeliest token whatever temperature it is asked for.
        built.generation_config.do_sample, built.generation_config.top_k = True, 0
        return built.to(dtype)
    try:
        return AutoModelForCausalLM.from_pretrained(
            model_source(model.name),
            revision=model.revision,
            dtype=dtype,
            attn_implementation=model.attention,
            trust_remote_code=model.trust_remote_code,
        )
    except (OSError, ValueError) as error:
        raise UsageError(
            f"The model {model.name} could not be loaded: {_first_line(error)} Check the name or the folder, or download it "
            "first with `hf download`."
        ) from error


def _configuration(config: Config, tokenizer: Any) -> Any:
    from transformers import AutoConfig

    ends = {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id, "bos_token_id": None}
    try:
        return AutoConfig.for_model(config.model.architecture, vocab_size=len(tokenizer), **ends, **config.model.config)
    except (ValueError, TypeError) as error:
        raise UsageError(
            f"model.config is no configuration of {config.model.architecture}: {_first_line(error)}"
        ) from error


@torch.no_grad()
def draw_weights(model: Any, init: Init, seed: int) -> None:
    """Draws all weights of a model from its own generator, in the order of their names."""
    generator = torch.Generator("cpu").manual_seed(seed)
    drawn: set[int] = set()
    for name, weight in sorted(model.named_parameters()):
        if id(weight) in drawn:  # tied
            continue
        drawn.add(id(weight))
        if weight.ndim < 2:
            # Norms: gain 1, or what [init] says of those of queries and keys. Biases: 0.
            gain = init.qk_norm if name.endswith(("q_norm.weight", "k_norm.weight")) else 1.0
            weight.fill_(0.0 if name.endswith("bias") else gain)
        elif init.zero_output and name.endswith(_OUTPUTS):
            weight.zero_()
        else:
            embedding = "embed" in name or "lm_head" in name
            std = init.embedding_std if embedding else init.linear_std or 1 / math.sqrt(weight.shape[1])
            weight.copy_(torch.empty_like(weight).normal_(0.0, std, generator=generator))


def hidden_matrices(model: Any) -> list[str]:
    """Names of the matrices of the hidden layers: all but embeddings and the output."""
    embeddings = {id(layer.weight) for layer in (model.get_input_embeddings(), model.get_output_embeddings()) if layer}
    return [name for name, weight in model.named_parameters() if weight.ndim == 2 and id(weight) not in embeddings]


def matrix_parameters(model: Any) -> int:
    """Parameters that multiply every token: those of all matrices but the input embedding (a tied one counts as output)."""
    embedding = model.get_input_embeddings().weight
    tied = model.get_output_embeddings().weight is embedding
    return sum(
        weight.numel() for weight in model.parameters() if weight.ndim >= 2 and (tied or weight is not embedding)
    )


def attention_width(model: Any) -> int:
    """layers * heads * head size."""
    text = model.config.get_text_config()
    size = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    return int(text.num_hidden_layers * text.num_attention_heads * size)


def _first_line(error: Exception) -> str:
    line = next(iter(str(error).splitlines()), type(error).__name__).strip()
    return line if line.endswith(".") else f"{line}."
