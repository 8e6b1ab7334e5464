"""Supervised fine-tuning (`yisang sft`): the next part to be built. `yisang publish` writes what it will read."""
