"""Training (`yisang sft`), on TRL's SFTTrainer: fine-tuning, and pre- and mid-training with `loss_on = "all"`.

config      the settings: a typed TOML over a preset
rows        training rows of files, runs, Hub data sets and worded tasks
templates   chat templates that mark what the assistant says
encode      rows as tokens; what is too long is dropped and listed
batches     which rows make a step, and which process computes which of them
collate     rows as tensors, padded or end to end
build       tokenizer and model, loaded or drawn from a seed
trainer     the trainer: steps, figures, checkpoints
run, plan   the command
"""
