"""Tiny models with random weights that are always the same: real tokenizer, real chat template, no training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% if enable_thinking is false %}<think>\n\n</think>\n\n"
    "{% endif %}{% endif %}"
)
WORDS = ("곰은", "사자는", "곰보다", "3마리", "5마리", "많다.", "구하라.", "How", "many", "lions", "are", "there?")
SIZES: dict[str, Any] = {
    "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2,
    "num_key_value_heads": 1, "head_dim": 16, "max_position_embeddings": 256, "tie_word_embeddings": True,
    "initializer_range": 0.5,  # large enough that greedy decoding does not say one token for ever
}  # fmt: skip


def write(path: Path, config: str = "Qwen3Config", seed: int = 0, **sizes: Any) -> Path:
    """A model of 2 layers and width 32, unless `sizes` say otherwise, in a folder as a trainer would leave it."""
    import tokenizers
    import torch
    import transformers

    raw = tokenizers.Tokenizer(tokenizers.models.BPE())
    raw.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    raw.train_from_iterator(["곰은 3마리이다. 사자는 곰보다 5마리 많다.", "How many lions are there?"], trainer)
    raw.add_tokens([tokenizers.AddedToken(tag, normalized=False) for tag in ("<think>", "</think>")])
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=raw, eos_token="<|im_end|>", pad_token="<|endoftext|>"
    )
    tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(path)
    torch.manual_seed(seed)
    made = getattr(transformers, config)(
        vocab_size=len(tokenizer), eos_token_id=tokenizer.eos_token_id, bos_token_id=None,
        pad_token_id=tokenizer.pad_token_id, **{**SIZES, **sizes},
    )  # fmt: skip
    transformers.AutoModelForCausalLM.from_config(made).save_pretrained(path)
    return path
