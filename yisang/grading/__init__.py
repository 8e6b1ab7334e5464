r"""One grader for filters, rewards and benchmarks: an answer against the gold of its prompt.

    grade(prompt, response)   a verdict of five, a reason, and what was compared
    check_gold(prompt)        whether a gold passes its own grader
    final_answer(response)    what an answer gives as its final one

    grader      the verdicts and the settings; which judge for which kind of prompt
    answers     the text behind the thinking; the box, or what stands for one
    plain       one plain form of an answer's text
    values      numbers with units, intervals and lists, read exactly and compared
    numerals    numbers, fractions and number words
    units       what units measure
    choices     labels and texts of options
    words       the words around answers, from the language files
    symbolic    expressions, by Math-Verify in a killable child; `worker` is that child
    programs    code, by tests in the sandbox; `driver` is what runs there

A wrong verdict on a right answer is the fault that is avoided first: what cannot be told is `unparsed` (the answer's
doing) or `unjudged` (the gold's or ours).
"""

from yisang.grading.grader import DEFAULTS, Grade, GradeSettings, Verdict, check_gold, final_answer, grade

__all__ = ["DEFAULTS", "Grade", "GradeSettings", "Verdict", "check_gold", "final_answer", "grade"]
