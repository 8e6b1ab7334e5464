"""Arithmetic word problems with a known solution graph: generate, word, parse, trace, verify.

    graph       the solution graph: parameters, how each follows from others, values
    generate    a graph with an exact number of operations, drawn by a seed
    contexts    what is counted where: one file per context, with the words of every language
    wording     a graph as a problem in a language, and back
    traces      the gold solution in a mode (one language, or English with quoted names)
    solutions   a written solution, read into the graph that it claims
    verify      that graph beside the gold one: process accuracy, rewards
    problems    the whole: `make_problem(seed, index, ...)`, presets, JSON
    mixes       difficulty bands, mixes and contexts for pre-, mid- and RL training
    selection   pass@k, edge of competence, guards between splits
    addition    a second, simpler family: addition of long numbers with a scratchpad
    questions   questions with formulas, code and options, with their translations
    phrases     the sentences of those questions in several languages, written and read

The kind of problem is that of GSM-Infinite and iGSM as used by "On the Interplay of Pre-Training, Mid-Training, and RL on
Reasoning Language Models" (arXiv 2512.07783).
"""
