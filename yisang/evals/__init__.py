"""Models on benchmarks: ask, judge, count, compare. What `yisang eval` does, from Python.

    evaluate    asks a teacher every question of some benchmarks, and leaves scores and raw outputs in a folder
    protocols   how is asked and counted: paper, last-box, mmath, greedy
    benchmarks  one file per benchmark
    guard       keeps held-out benchmarks out of training and ablations
    judging     one answer: a verdict of five, and the measures beside it
    summary     many answers: scores with n, intervals, runs, pass@k, and what was left out
    statistics  the intervals
    rescore     raw outputs judged again, without a model
    compare     two runs, item by item
    models      a folder or a name as a teacher with a revision
    config      the typed TOML, `--set`, and the resolved file beside the results
    text        tables for a person

It asks through `yisang.teachers` and judges through `yisang.grading`.
"""
