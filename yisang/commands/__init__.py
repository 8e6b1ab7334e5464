"""The commands, one function each: they parse, call, print. `yisang.cli` puts them together.

options   arguments and options that several commands share
output    how they print
recipes   init, plan, run, join, quickstart: what makes and runs a recipe
runs      show, diff, publish: what reads a finished run
models    sft, eval
tasks     tasks
answers   answers count, list, export, compact, purge
checks    doctor
"""
