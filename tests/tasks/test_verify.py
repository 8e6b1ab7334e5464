"""Solutions are read into graphs, and every single fault costs what the formula says."""

from __future__ import annotations

import json
import re
from fractions import Fraction
from pathlib import Path

import pytest

from yisang.errors import UsageError
from yisang.tasks.addition import CONTEXT, Sum, make_sum, verify_sum
from yisang.tasks.contexts import context
from yisang.tasks.graph import Graph
from yisang.tasks.listing import listed, verified_lines
from yisang.tasks.problems import Problem, Request, make_problems
from yisang.tasks.solutions import Claim, Solution, boxed_number, read_solution
from yisang.tasks.traces import Mode, response, style_of, think_and_answer
from yisang.tasks.verify import Verification, reward, verify, verify_response

MODES: tuple[Mode, ...] = ("target_only", "mixed", "english_only")


def problems(count: int = 12, language: str = "ko") -> list[Problem]:
    general = make_problems(Request(language, 3, 12, direction="both"), 21, count)
    narrow = make_problems(Request(language, 2, 6, preset="narrow"), 21, count)
    return [*general, *narrow]


def gold(problem: Problem, mode: Mode) -> tuple[str, str]:
    return think_and_answer(problem.graph, problem.lang, problem.context, mode, style_of(problem.graph))


def checked(problem: Problem, think: str, answer: str) -> Verification:
    return verify_response(problem.graph, response(think, answer), problem.lang, problem.context)


def expected_reward(penalty: int, nodes: int, answer: float = 0.2, process: float = 0.8) -> float:
    """The formula, written down once more."""
    return (answer + process * max(0.0, 1 - penalty / nodes)) / (answer + process)


@pytest.mark.parametrize("mode", MODES)
def test_a_wrong_value_costs_its_parameter(mode: Mode) -> None:
    """The claimed value of each parameter in turn, all others as they were."""
    for problem in problems():
        graph, (think, answer) = problem.graph, gold(problem, mode)
        solution = read_solution(response(think, answer), problem.lang, problem.context)
        nodes = len(graph.needed)
        for node in graph.needed:
            claims = dict(solution.claims)
            claim = claims[node.name]
            assert claim.value is not None
            claims[node.name] = Claim(claim.parents, claim.value + 1)
            found = verify(graph, Solution(claims, solution.answer))
            assert found.values == (node.name,)
            assert found.process_acc == (nodes - 1) / nodes
            assert not found.verified
            assert reward(found) == pytest.approx(expected_reward(1, nodes))
            assert reward(found, strict=True) == 0


@pytest.mark.parametrize("mode", MODES)
def test_a_wrong_number_in_the_text_is_found(mode: Mode) -> None:
    """As a model writes it: the last number of an equation, and what stands behind stays as it was."""
    told = 0
    for problem in make_problems(Request("ko", 3, 12), 22, 15):
        think, answer = gold(problem, mode)
        for match in re.finditer(r"([A-Z]) = (?:[^.]*= )?(\d+)(?=이다|\.)", think):
            wrong = think[: match.start(2)] + str(int(match[2]) + 1) + think[match.end(2) :]
            found = checked(problem, wrong, answer)
            assert len(found.values) == 1
            assert (found.missing, found.parents, found.extra) == ((), (), ())
            told += 1
    assert told > 60


@pytest.mark.parametrize("mode", MODES)
def test_a_wrong_parent_is_found(mode: Mode) -> None:
    told = 0
    for problem in make_problems(Request("ko", 4, 12), 23, 15):
        think, answer = gold(problem, mode)
        nodes = len(problem.graph.needed)
        letters = dict(re.findall(r"([A-Z]) = (?:\d+ × \()?([A-Z])", think))
        for letter, parent in letters.items():
            other = next(chr(code) for code in range(ord("A"), ord("Z")) if chr(code) not in think)
            # A letter that stands for nothing, and one that stands for another parameter.
            for instead in (other, next((name for name in letters if name not in (letter, parent)), other)):
                place = re.search(rf"{letter} = (?:\d+ × \()?({parent})", think)
                assert place is not None
                side = think[place.start(1) :].partition(" =")[0]
                if instead in side:
                    continue
                found = checked(problem, think[: place.start(1)] + instead + think[place.end(1) :], answer)
                assert len(found.parents) == 1
                assert found.process_acc == (nodes - 1) / nodes
                assert reward(found) == pytest.approx(expected_reward(1, nodes))
                told += 1
    assert told > 40


@pytest.mark.parametrize("mode", MODES)
def test_a_missing_step_is_found(mode: Mode) -> None:
    for problem in problems():
        graph = problem.graph
        nodes = len(graph.needed)
        for node in graph.needed:
            style = style_of(graph)
            think, answer = think_and_answer(graph, problem.lang, problem.context, mode, style, node.name)
            found = checked(problem, think, answer)
            # Where letters stand for parameters, its children lose their parent with it.
            children = (
                {child.name for child in graph.needed if node.name in child.parents} if style == "define" else set()
            )
            # Without x nothing that holds it has a value, but for the end, whose value is told.
            holding = {child.name for child in graph.needed if graph.linear[child.name].times} - {graph.end}
            unsolved = holding if node.form == "unknown" else set()
            assert set(found.missing) == {node.name}
            assert set(found.parents) == children
            assert set(found.values) == unsolved - {node.name}
            assert found.process_acc == (nodes - 1 - len(children | (unsolved - {node.name}))) / nodes
            assert not found.verified
            penalty = 1 + len(children) + len(unsolved - {node.name})
            assert reward(found) == pytest.approx(expected_reward(penalty, nodes))


@pytest.mark.parametrize("mode", MODES)
def test_an_extra_step_is_allowed_in_verification_and_penalised_in_the_reward(mode: Mode) -> None:
    for problem in make_problems(Request("ko", 4, 8), 24, 10):
        think, answer = gold(problem, mode)
        solution = read_solution(response(think, answer), problem.lang, problem.context)
        claims = {**solution.claims, "lion@nowhere": Claim(frozenset(), Fraction(3))}
        found = verify(problem.graph, Solution(claims, solution.answer))
        assert found.extra == ("lion@nowhere",)
        assert found.verified
        nodes = len(problem.graph.needed)
        assert reward(found) == pytest.approx(expected_reward(1, nodes))
        assert reward(found, extras="allowed") == 1
        assert reward(found, strict=True) == 0
        many = {**solution.claims, **{f"lion@{n}": Claim(frozenset(), Fraction(3)) for n in range(nodes + 5)}}
        # However many there are, they cost no more than the whole process.
        assert reward(verify(problem.graph, Solution(many, solution.answer))) == pytest.approx(0.2)


def test_a_distractor_that_is_computed_is_extra() -> None:
    for problem in make_problems(Request("en", 4, 8), 25, 30):
        idle = [node for node in problem.graph.nodes if node not in problem.graph.needed and node.form == "literal"]
        if idle:
            name = context(problem.context).words("en").names[idle[0].name]
            think, answer = gold(problem, "target_only")
            found = checked(problem, f"{think} Let Z be the number of {name}. So Z = {idle[0].constant}.", answer)
            assert found.extra == (idle[0].name,)
            return
    raise AssertionError("no problem with a distractor")


@pytest.mark.parametrize("mode", MODES)
def test_a_wrong_answer_is_found_and_earns_nothing(mode: Mode) -> None:
    for problem in problems(6):
        think, answer = gold(problem, mode)
        for wrong in (
            answer.replace(f"{{{problem.answer}}}", f"{{{int(problem.answer) + 1}}}"),
            "답은 모르겠습니다.",
            "",
        ):
            found = checked(problem, think, wrong)
            assert not found.answer_correct
            assert not found.verified
            assert found.process_acc == 1
            assert reward(found) == 0


def test_one_parameter_may_be_wrong_twice() -> None:
    problem = problems(1)[0]
    name = problem.graph.needed[-1].name
    solution = read_solution(problem.trace, "ko", problem.context)
    claims = {**solution.claims, name: Claim(frozenset({"lion@nowhere"}), Fraction(-1))}
    found = verify(problem.graph, Solution(claims, solution.answer))
    nodes = len(problem.graph.needed)
    assert (found.parents, found.values) == ((name,), (name,))
    assert found.process_acc == (nodes - 1) / nodes
    assert reward(found) == pytest.approx(expected_reward(2, nodes))


@pytest.mark.parametrize(
    ("weights", "expected"), [((1, 0), 1.0), ((0, 1), 0.75), ((0.5, 0.5), 0.875), ((0.2, 0.8), 0.8)]
)
def test_weights_mix_answer_and_process(weights: tuple[float, float], expected: float) -> None:
    found = Verification(4, ("a",), (), (), (), Fraction(1), True)
    assert reward(found, answer_weight=weights[0], process_weight=weights[1]) == pytest.approx(expected)


@pytest.mark.parametrize("weights", [(-1, 2), (0, 0)])
def test_weights_that_are_none_are_refused(weights: tuple[float, float]) -> None:
    found = Verification(1, (), (), (), (), Fraction(1), True)
    with pytest.raises(UsageError, match="weights"):
        reward(found, answer_weight=weights[0], process_weight=weights[1])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<think>",
        "</think></think>",
        "\\boxed{" * 50_000,
        "A = " * 20_000,
        "= = 3",
        "x" * 200_000,
        "A = B = " + "9" * 5_000 + ".",
        "Let A be the number of 사자. So A = " + "9" * 9_000 + ".",
        "Let A be the number of 사자. So A = " + "(" * 500 + ".",
        "Let A be the number of 사자. So A = 1 / 0.",
        "<think>모른다</think>답은 \\boxed{1/0}입니다.",
    ],
)
def test_hostile_responses_are_only_wrong(text: str) -> None:
    problem = problems(1)[0]
    found = verify_response(problem.graph, text, "ko", problem.context)
    assert not found.answer_correct
    assert found.process_acc < 1


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("\\boxed{10}", 10), ("\\boxed{1,234}", 1234), ("\\boxed{ 7 }", 7), ("\\boxed{3.50}", Fraction(7, 2)), ("\\boxed{10마리}", 10),
        ("\\boxed{14\\text{명}}", 14), ("\\boxed{$14$}", 14), ("\\boxed{x = 14}", 14), ("\\boxed{14.}", 14), ("\\boxed{} \\boxed{2}", 2),
        ("\\boxed{1/2}", Fraction(1, 2)), ("\\boxed{1,2}", None), ("\\boxed{12,34}", None), ("\\boxed{1/0}", None), ("\\boxed{a} \\boxed{2}", None),
        ("10", None), ("\\boxed{}", None), ("\\boxed{" + "9" * 5000 + "}", None),
    ],
)  # fmt: skip
def test_the_number_of_a_box(text: str, number: object) -> None:
    assert boxed_number(text) == number


def test_the_box_of_the_thoughts_is_no_answer() -> None:
    problem = problems(1)[0]
    think, _ = gold(problem, "mixed")
    found = checked(problem, f"{think} \\boxed{{{problem.answer}}}", "답을 적지 못했습니다.")
    assert found.answer is None


VARIATIONS = {
    "bullets": lambda think: "\n".join(f"- {line}." for line in think.rstrip(".").split(". ")),
    "numbers": lambda think: "\n".join(f"({n}) {line}." for n, line in enumerate(think.rstrip(".").split(". "), 1)),
    "lines without stops": lambda think: "\n".join(think.rstrip(".").split(". ")),
    "bold letters": lambda think: re.sub(r"\b([A-Z])\b", r"**\1**", think),
    "bold values": lambda think: re.sub(r"= (\d+)\.", r"= **\1**.", think),
    "first": lambda think: "First, l" + think[1:],
    "one sentence a step": lambda think: re.sub(r"(Let [^.]*)\. ", r"\1, ", think),
    "times in LaTeX": lambda think: think.replace("×", "\\times"),
    "a dot for times": lambda think: think.replace("×", "·"),
    "mathematics in dollars": lambda think: re.sub(r"([A-Z] = [^.]*)\.", r"$\1$.", think),
    "last side not reduced": lambda think: re.sub(r"(= \d+ (?:[-+×]) \d+) = \d+\.", r"\1.", think),
}


@pytest.mark.parametrize("name", VARIATIONS)
def test_how_a_solution_is_set_does_not_matter(name: str) -> None:
    changed = 0
    for problem in make_problems(Request("ko", 3, 10), 27, 12):
        think, answer = think_and_answer(problem.graph, "ko", problem.context, "mixed", "define")
        other = VARIATIONS[name](think)
        changed += other != think
        found = checked(problem, other, answer)
        assert (found.process_acc, found.verified, found.extra) == (1, True, ()), other
    assert changed > 2


def test_steps_may_come_in_another_order() -> None:
    problem = next(problem for problem in make_problems(Request("ko", 8, 8), 28, 5) if len(problem.graph.needed) > 4)
    think, answer = gold(problem, "target_only")
    said = think.split(". ")
    leaves = [
        pair for pair in zip(said[::2], said[1::2], strict=True) if re.fullmatch(r"따라서 [A-Z] = \d+이다\.?", pair[1])
    ]
    rest = [pair for pair in zip(said[::2], said[1::2], strict=True) if pair not in leaves]
    moved = ". ".join(part.rstrip(".") for pair in [*reversed(leaves), *rest] for part in pair) + "."
    assert checked(problem, moved, answer).verified


def test_what_a_reverse_problem_tells_may_be_told_again_at_the_start() -> None:
    for problem in make_problems(Request("ko", 4, 8, direction="reverse"), 29, 10):
        think, answer = gold(problem, "mixed")
        name, value = problem.graph.given or ("", 0)
        told = context(problem.context).words("ko").names[name]
        for before in (f"The number of {told} is {value}. ", f"Let Q be the number of {told}. So Q = {value}. "):
            found = checked(problem, before + think, answer)
            assert (found.process_acc, found.verified, found.extra) == (1, True, ()), before


def test_a_response_that_never_ends_thinking_has_no_answer() -> None:
    problem = problems(1)[0]
    found = verify_response(problem.graph, problem.trace.replace("</think>", ""), "ko", problem.context)
    assert found.answer is None
    assert not found.verified


# Addition


@pytest.mark.parametrize("language", ["ko", "en", "ja"])
def test_sums_and_their_scratchpads_are_right(language: str) -> None:
    for index in range(200):
        item = make_sum(language, 1, 12, 3, index)
        assert len(str(item.a)) == len(str(item.b)) == item.digits
        assert str(item.a) in item.question
        found = verify_sum(item.a, item.b, item.digits, item.trace)
        assert (found.process_acc, found.verified) == (1, True)
        numbers = [total % 10 for *_, total in item.steps]
        carry = item.steps[-1][3] // 10
        assert int(str(carry) + "".join(map(str, reversed(numbers)))) == item.a + item.b


def test_every_fault_of_a_scratchpad_is_found() -> None:
    item = Sum("ko", 3, 357, 684)
    assert item.steps == [(7, 4, 0, 11), (5, 8, 1, 14), (3, 6, 1, 10)]
    for old, new, score in (
        ("5 + 8 + 1 = 14", "5 + 8 + 1 = 13", 2 / 3), ("5 + 8 + 1", "5 + 8 + 0", 2 / 3), ("3 + 6 + 1 = 10", "", 2 / 3),
        ("7 + 4 + 0 = 11, ", "", 0), ("= 10", "= 10, 0 + 0 + 1 = 1", 1),
    ):  # fmt: skip
        found = verify_sum(357, 684, 3, item.trace.replace(old, new))
        assert found.process_acc == pytest.approx(score)
        assert found.answer_correct
        assert not found.verified
    assert not verify_sum(357, 684, 3, item.trace.replace("1041", "1042")).answer_correct


# Lines of JSON


def test_listed_problems_verify_through_a_file(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    arguments = {"ops": "2-6", "context": "", "direction": "forward", "mode": "", "language": "ko"}
    lines = []
    for preset in ("general", "narrow", CONTEXT):
        for problem in listed(4, 1, preset=preset, **arguments):
            item = json.loads(json.dumps(problem.to_json(), ensure_ascii=False))
            assert set(item) == {"id", "lang", "context", "ops", "question", "answer", "graph", "trace"}
            lines += [{**item, "response": item["trace"]}, {**item, "response": "모릅니다"}]
    path.write_text("\n".join(json.dumps(line, ensure_ascii=False) for line in lines) + "\n\n")
    found = list(verified_lines(str(path)))
    assert [item["verified"] for item in found] == [True, False] * 12
    assert [item["process_acc"] for item in found] == [1, 0] * 12
    assert all(set(lines[0]) < set(item) for item in found)
    assert found[1]["mismatches"]["missing"]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{", "line 2, cannot be verified"),
        (
            '{"response": "", "lang": "xx", "context": "zoo", "graph": {"nodes": {"lion": {"form": "literal", "constant": 1}}, "query": "lion"}}',
            "no language 'xx'",
        ),
        (
            '{"response": "", "lang": null, "context": "zoo", "graph": {"nodes": {"lion": {"form": "literal", "constant": 1}}, "query": "lion"}}',
            "cannot be verified",
        ),
        (
            '{"response": "", "lang": "ko", "context": "zoo", "graph": {"nodes": {"lion": {"form": "literal", "constant": 1.5}}, "query": "lion"}}',
            "1.5 is no whole number",
        ),
        (
            '{"response": "", "lang": "ko", "context": "addition", "graph": {"a": 1, "b": 2, "digits": 0}}',
            "digits from 1 to 100",
        ),
        (
            '{"response": "", "lang": "ko", "context": "addition", "graph": {"a": 1, "b": 2, "digits": 1000000000}}',
            "digits from 1 to 100",
        ),
        ("[" * 100_000, "cannot be verified"),
        ("[]", "no object"),
        ('{"lang": "ko"}', "it lacks 'response'"),
        ('{"response": 3, "lang": "ko", "context": "zoo", "graph": {}}', "response must be a text"),
        ('{"response": "", "lang": "ko", "context": "zoo", "graph": {}}', "no solution graph"),
        (
            '{"response": "", "lang": "ko", "context": "space", "graph": {"nodes": {"a": {"form": "literal", "constant": 1}}, "query": "a"}}',
            "no context 'space'",
        ),
    ],
)
def test_a_bad_line_is_named(line: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    good = next(
        iter(listed(1, 1, preset="narrow", ops="2", context="", direction="forward", mode="", language="ko"))
    ).to_json()
    path.write_text(json.dumps({**good, "response": good["trace"]}) + "\n" + line + "\n")
    with pytest.raises(UsageError, match=r"answers\.jsonl, line 2") as error:
        list(verified_lines(str(path)))
    assert says in str(error.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Name a file of JSON Lines"):
        list(verified_lines(str(tmp_path / "none.jsonl")))


def test_a_gold_graph_may_come_from_elsewhere() -> None:
    problem = problems(1)[0]
    again = Graph.from_json(problem.prompt("tasks").graph or {})
    assert verify_response(again, problem.trace, "ko", problem.context).verified
