"""A problem is its graph in words: what is worded parses back, in every language, and particles agree."""

from __future__ import annotations

import itertools
import random
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yisang.errors import UsageError
from yisang.languages import load
from yisang.languages.shares import script_share
from yisang.tasks.contexts import context, contexts
from yisang.tasks.draw import Draw
from yisang.tasks.generate import GENERAL, NARROW, make_graph
from yisang.tasks.graph import BadGraph, Graph, Node
from yisang.tasks.problems import PRESETS, Direction, Request, drill, make_problem, make_problems
from yisang.tasks.traces import BAND, Mode, response, style_of, think_and_answer
from yisang.tasks.verify import verify_response
from yisang.tasks.wording import NotATask, facts, grammar, parse, recognise, sentences, word

LANGUAGES = ("en", "ko", "ja")
CONTEXTS = ("zoo", "school", "festival", "market", "bus")
MODES: tuple[Mode, ...] = ("target_only", "mixed", "english_only")


@pytest.mark.parametrize("name", CONTEXTS)
@pytest.mark.parametrize("direction", ["forward", "reverse"])
def test_what_is_worded_parses_back_and_its_gold_trace_verifies(name: str, direction: Direction) -> None:
    """All languages and modes, 2 to 20 operations."""
    for ops, language in itertools.product(range(2, 21), LANGUAGES):
        for seed in range(2):
            problem = make_problem(Request(language, ops, ops, name, direction=direction), seed, ops)
            assert problem.graph.edges == problem.ops == ops
            assert problem.graph.reverse == (direction == "reverse")
            read = parse(problem.question, language, name)
            assert read.graph == problem.graph, problem.question
            assert read.order == problem.order
            assert str(read.graph.answer) == problem.answer
            for mode in MODES:
                if (language, mode) == ("en", "mixed"):
                    continue
                think, answer = think_and_answer(problem.graph, language, name, mode, "define")
                found = verify_response(problem.graph, response(think, answer), language, name)
                assert (found.process_acc, found.verified, found.extra) == (1, True, ()), think


@settings(max_examples=200, deadline=None)
@given(seed=st.integers(0, 2**63), ops=st.integers(1, 12), language=st.sampled_from(LANGUAGES), data=st.data())
def test_narrow_problems_parse_back_and_verify(seed: int, ops: int, language: str, data: st.DataObject) -> None:
    problem = make_problem(Request(language, ops, ops, preset="narrow"), seed, 0)
    assert problem.graph.operations == ops
    assert all(1 <= value <= 50 for value in problem.graph.values.values())
    assert parse(problem.question, language, "zoo").graph == problem.graph
    mode = data.draw(st.sampled_from([mode for mode in MODES if (language, mode) != ("en", "mixed")]))
    trace = response(*think_and_answer(problem.graph, language, "zoo", mode, "restate"))
    found = verify_response(problem.graph, trace, language, "zoo")
    assert (found.process_acc, found.verified, found.extra) == (1, True, ())


def test_the_share_of_mixed_traces_is_within_the_band() -> None:
    low, high = BAND
    shares: list[float] = []
    for language, preset, ops in itertools.product(("ko", "ja"), PRESETS, ((2, 3), (4, 10), (11, 20))):
        if preset == "narrow" and ops[1] > 10:
            continue
        for name in PRESETS[preset].contexts or CONTEXTS:
            request = Request(language, *ops, name, preset, "forward" if preset == "narrow" else "both")
            for problem in make_problems(request, 5, 40):
                think = problem.trace.partition("</think>")[0].removeprefix("<think>")
                share = script_share(think, load(language))
                assert share is not None
                assert low <= share <= high, think
                shares.append(share)
    # Not by a hair: most stand clear of both ends.
    assert sum(0.07 <= share <= 0.19 for share in shares) / len(shares) > 0.9


@pytest.mark.parametrize("direction", ["forward", "reverse"])
def test_one_graph_in_two_languages_is_a_translation(direction: Direction) -> None:
    for index in range(30):
        korean = make_problem(Request("ko", 3, 12, direction=direction), 1, index)
        for language in LANGUAGES:
            other = make_problem(Request(language, 3, 12, direction=direction), 1, index)
            assert other.graph == korean.graph
            assert korean.translated(language) == other.question
            assert len(sentences(other.question)) == len(sentences(korean.question))
            # A translation is judged by its graph; one that got a number wrong is another problem.
            assert parse(korean.translated(language), language, korean.context).graph == korean.graph
            wrong = re.sub(r"\d+", lambda match: str(int(match[0]) + 1), korean.translated(language), count=1)
            assert _read(wrong, language, korean.context) != korean.graph


def _read(text: str, language: str, name: str) -> Graph | None:
    try:
        return parse(text, language, name).graph
    except NotATask:  # a reverse problem may lose its solution
        return None


@pytest.mark.parametrize(
    ("word_", "pair", "agreed"),
    [
        ("곰", "은/는", "은"), ("사자", "은/는", "는"), ("곰", "이/가", "이"), ("사자", "이/가", "가"),
        ("곰", "을/를", "을"), ("사자", "을/를", "를"), ("곰", "과/와", "과"), ("사자", "과/와", "와"),
        ("곰", "으로/로", "으로"), ("사자", "으로/로", "로"), ("얼룩말", "으로/로", "로"), ("얼룩말", "은/는", "은"),
        ("3", "을/를", "을"), ("4", "을/를", "를"), ("10", "이라고/라고", "이라고"), ("7", "으로/로", "로"), ("6", "으로/로", "으로"),
        ("2", "은/는", "는"), ("100", "은/는", "은"), ("A", "은/는", "는"), ("L", "은/는", "은"), ("M", "으로/로", "으로"), ("R", "으로/로", "로"),
        ("(사자)", "을/를", "를"), ("“곰”", "을/를", "을"),
    ],
)  # fmt: skip
def test_particles_agree_with_the_final_consonant(word_: str, pair: str, agreed: str) -> None:
    agree = grammar("ko").agree
    assert agree is not None
    assert agree(word_, pair) == agreed


def test_every_korean_name_has_its_particle() -> None:
    """By the arithmetic of the syllable block, which the rule does not use."""
    for name in CONTEXTS:
        for parameter, called in context(name).words("ko").names.items():
            if parameter.startswith("*"):
                continue
            graph = Graph.of([Node(parameter, "literal", constant=5)], parameter)
            closed = (ord(called[-1]) - 0xAC00) % 28 > 0
            assert word(graph, "ko", name, facts(graph)).startswith(f"{called}{'은' if closed else '는'} 5")


def test_a_context_of_ones_own_changes_no_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = [problem.question for problem in make_problems(Request("en", 2, 6), 1, 20)]
    (tmp_path / "contexts").mkdir()
    (tmp_path / "contexts" / "shelf.toml").write_text(
        '[words.en]\nname = "{kind} on {place}"\ntotal = "all books on {place}"\n[kinds]\n'
        + "".join(f'k{n} = {{ en = "novels{n}" }}\n' for n in range(12))
        + "[places]\n"
        + "".join(f'p{n} = {{ en = "shelf{n}" }}\n' for n in range(10))
    )
    monkeypatch.setenv("YISANG_LANGUAGES", str(tmp_path))
    assert [problem.question for problem in make_problems(Request("en", 2, 6), 1, 20)] == before
    own = list(make_problems(Request("en", 2, 6, "shelf"), 1, 20))
    assert all(parse(problem.question, "en", "shelf").graph == problem.graph for problem in own)


def test_another_folder_of_languages_is_seen_in_the_same_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    english = (Path(__file__).parents[2] / "yisang" / "languages" / "en.toml").read_text()
    for number, verb in enumerate(("count", "total")):
        folder = tmp_path / verb
        folder.mkdir()
        (folder / "en.toml").write_text(english.replace("{a} are {n} in number.", f"{{a}} {verb} {{n}}."))
        monkeypatch.setenv("YISANG_LANGUAGES", str(folder))
        for problem in make_problems(Request("en", 2, 6), number, 20):
            assert f" {verb} " in problem.question
            assert parse(problem.question, "en", problem.context).graph == problem.graph


def test_no_name_stands_in_the_words_around_it() -> None:
    """Or a template could be taken for a name."""
    for language, name in itertools.product(LANGUAGES, CONTEXTS):
        spoken = grammar(language)
        around = " ".join(
            [*spoken.says.values(), *spoken.quotes.values(), *spoken.trace.values(), *spoken.so, *spoken.told]
        )
        bare = re.sub(r"\{[^{}]*\}", " ", around).casefold()
        for word_ in context(name).words(language).names.values():
            assert not re.search(rf"(?<![a-z]){re.escape(word_.casefold())}(?![a-z])", bare), (language, word_)


def test_a_text_that_is_no_task_is_told_apart() -> None:
    problem = make_problem(Request("ko", 4, 4, "zoo"), 1, 1)
    assert recognise("하늘은 왜 푸른가?", LANGUAGES) is None
    assert recognise("", LANGUAGES) is None
    found = recognise(f"제목 3번\n\n도와주세요. 순서를 모르겠습니다.\n{problem.question}", LANGUAGES)
    assert found is not None
    assert (found.graph, found.language, found.context) == (problem.graph, "ko", "zoo")
    first = sentences(problem.question)[0]
    for broken in (
        problem.question.replace(first, first + " 하늘은 푸르다."),
        problem.question + " " + sentences(problem.question)[-1],
        first,
        problem.question + " " + first,
    ):
        with pytest.raises(NotATask):
            parse(broken, "ko", "zoo")


@pytest.mark.parametrize(
    "text",
    [
        "사자는 곰보다 3마리 많다. 곰은 사자보다 2마리 적다. 사자의 수를 구하라.",  # a circle
        "사자는 곰보다 3마리 많다. 사자의 수를 구하라.",  # a missing parent
        "사자의 수는 알려져 있지 않지만 0보다 크다. 사자의 수를 구하라.",  # nothing told
        "사자의 수는 알려져 있지 않지만 0보다 크다. 곰은 사자의 2배이다. 곰은 7마리이다. 사자의 수를 구하라.",  # 3.5 lions
    ],
)
def test_a_problem_without_one_solution_is_none(text: str) -> None:
    with pytest.raises(NotATask):
        parse(text, "ko", "zoo")


def test_a_total_is_the_sum_of_its_place() -> None:
    text = (
        "Lions at Sun Hill are 4 in number. Bears at Sun Hill are 5 in number. Wolves at Star Lake are 2 times as many "
        "as all animals at Sun Hill. What is the number of wolves at Star Lake?"
    )
    read = parse(text, "en", "zoo").graph
    assert read.values["*@sun_hill"] == 9
    assert read.answer == 18
    assert read.edges == 6


def test_elephants_hold_no_ants() -> None:
    """Names in a script with letter cases are whole words."""
    read = parse(
        "Sheep are 5 in number. Elephants are 3 more than sheep. What is the number of elephants?", "en", "zoo"
    )
    assert read.graph.answer == 8


@pytest.mark.parametrize(
    "nodes",
    [
        [Node("a", "same", ("b",)), Node("b", "same", ("a",))],
        [Node("a", "sum", ("b",)), Node("b", "literal", constant=1)],
        [Node("a", "difference", ("b", "b", "b")), Node("b", "literal", constant=1)],
        [Node("a", "literal")],
        [Node("a", "same", ("b",), "plus"), Node("b", "literal", constant=1)],
        [Node("a", "same", ("nobody",))],
        [Node("a", "literal", constant=1), Node("a", "literal", constant=2)],
    ],
)
def test_what_is_no_graph_is_refused(nodes: list[Node]) -> None:
    with pytest.raises(BadGraph):
        Graph.of(nodes, "a").values  # noqa: B018


def test_a_graph_survives_json() -> None:
    import json

    for direction in ("forward", "reverse"):
        for problem in make_problems(Request("ko", 2, 20, direction=direction), 3, 50):
            assert Graph.from_json(json.loads(json.dumps(problem.graph.to_json()))) == problem.graph
    for bad in ({}, {"nodes": {}, "query": "a"}, {"nodes": [1], "query": "a"}, {"nodes": {"a": {}}, "query": "a"}):
        with pytest.raises(BadGraph):
            Graph.from_json(bad)


def plain_value(graph: Graph, name: str, x: int) -> int:
    """An evaluator of its own, with the unknown put in."""
    node = graph.by_name[name]
    if node.form == "unknown":
        return x
    if node.form == "literal":
        return node.constant or 0
    parents = [plain_value(graph, parent, x) for parent in node.parents]
    found = parents[0] - parents[1] if node.form == "difference" else sum(parents)
    constant = node.constant or 0
    return {"": found, "plus": found + constant, "minus": found - constant, "times": found * constant}[node.factor]


def test_values_by_plain_evaluation() -> None:
    for problem in make_problems(Request("en", 2, 16, direction="both"), 9, 200):
        graph = problem.graph
        values = {node.name: plain_value(graph, node.name, int(problem.answer)) for node in graph.nodes}
        assert values == graph.values
        if graph.given:
            assert values[graph.given[0]] == graph.given[1]
        assert values[graph.query] == int(problem.answer)
        assert all(0 <= number <= 1000 for number in values.values())
        assert all(values[node.name] > 0 for node in graph.nodes if node.form != "total")


def test_every_parameter_of_a_solution_is_needed() -> None:
    for problem in make_problems(Request("ko", 2, 20), 4, 100):
        used = {parent for node in problem.graph.needed for parent in node.parents}
        assert {node.name for node in problem.graph.needed} - used == {problem.graph.end}


def test_distractors_are_said_and_not_needed() -> None:
    draw = Draw("distractors")
    for ops in (3, 8, 15):
        graph = make_graph(draw, context("zoo"), ops, distractors=5)
        assert len(graph.nodes) - len(graph.needed) >= 5
        text = word(graph, "ko", "zoo", facts(graph))
        assert parse(text, "ko", "zoo").graph == graph
        gold = response(*think_and_answer(graph, "ko", "zoo", "mixed", "define"))
        assert verify_response(graph, gold, "ko", "zoo").verified


def test_a_seed_gives_the_same_problems_everywhere() -> None:
    """The digest was made on another machine and Python version: a change of it changes every published task."""
    import hashlib
    import json

    digest = hashlib.sha256()
    for preset, direction in (("general", "both"), ("narrow", "forward")):
        for language in LANGUAGES:
            for problem in make_problems(Request(language, 2, 10, preset=preset, direction=direction), 1, 100):
                digest.update(json.dumps(problem.to_json(), ensure_ascii=False, sort_keys=True).encode())
    assert digest.hexdigest()[:16] == "5e8278735d9f7f8c"


def test_a_problem_does_not_depend_on_those_before_it() -> None:
    request = Request("ko", 2, 10, direction="both")
    whole = list(make_problems(request, 3, 40))
    assert list(make_problems(request, 3, 10, start=30)) == whole[30:]
    assert len({problem.id for problem in whole}) == 40
    assert make_problem(request, 4, 0) != whole[0]


def test_contexts_and_operations_are_drawn_evenly() -> None:
    problems = list(make_problems(Request("en", 2, 6), 8, 1500))
    for name in CONTEXTS:
        assert 0.15 < sum(problem.context == name for problem in problems) / 1500 < 0.25
    for ops in range(2, 7):
        assert 0.15 < sum(problem.ops == ops for problem in problems) / 1500 < 0.25


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"preset": "wide"}, "general, narrow"),
        ({"low": 5, "high": 4}, "no range"),
        ({"low": 0}, "no range"),
        ({"context": "space"}, "no context 'space'"),
        ({"language": "xx"}, "no language 'xx'"),
        ({"preset": "narrow", "direction": "reverse"}, "has no direction 'reverse'"),
    ],
)
def test_a_request_for_what_there_is_not_is_refused(changes: dict[str, object], says: str) -> None:
    with pytest.raises(UsageError, match=re.escape(says)):
        Request(**{"low": 2, "high": 4, **changes})  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="2 to 24 operations, not 25"):
        make_problem(Request("ko", 25, 25), 0, 0)


def test_drills_are_true_and_within_the_bounds_of_narrow_problems() -> None:
    for index in range(50):
        text = drill("ko", "zoo", 1, index)
        lines = re.findall(r"(\d+) ([-+×]) (\d+) = (\d+)마리이다\.", text)
        assert len(lines) == 10
        for a, sign, b, result in lines:
            assert int(result) == {"+": int(a) + int(b), "-": int(a) - int(b), "×": int(a) * int(b)}[sign]
            assert 1 <= int(result) <= 50


FRENCH = """
name = "French"
native_name = "français"
[script]
default = ["latin"]
[script.blocks]
latin = ["0041-005A", "0061-007A", "00C0-024F"]
[tasks]
between = " "
list = [", ", " et "]
capitals = true
[tasks.says]
literal = "{a} sont au nombre de {n}."
same = "{a} sont aussi nombreux que {b}."
is = "{a} sont aussi nombreux que {x}."
more = "{a} sont {n} de plus que {x}."
fewer = "{a} sont {n} de moins que {x}."
times = "{a} sont {n} fois plus nombreux que {x}."
sum = "{list} ensemble"
difference = "la différence {b} moins {c}"
unknown = "Le nombre pour {a} est inconnu, mais supérieur à 0."
question = "Quel est le nombre pour {a}?"
[tasks.addition]
question = "Combien font {a} + {b}?"
[tasks.trace]
define = "Soit {v} le nombre pour {a}."
step = "{so} {e}."
result = "{so} {a} = {e}."
given = "On sait que {v} = {n}, donc {e}."
answer = "La réponse est \\\\boxed{{n}}."
drill = "{e}."
so = ["Donc"]
told = ["Donc"]
"""


def test_a_language_is_added_by_data_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "fr.toml").write_text(FRENCH)
    (tmp_path / "contexts").mkdir()
    zoo = context("zoo")
    draw = random.Random(1)
    made = {key: f"mots{number}" for number, key in enumerate([*zoo.kinds, *zoo.places])}
    lines = ["[words.fr]", 'name = "les {kind} de {place}"', 'total = "tous les animaux de {place}"']
    for table, keys in (("kinds", zoo.kinds), ("places", zoo.places)):
        lines += [f"[{table}]", *(f'{key} = {{ fr = "{made[key]}" }}' for key in draw.sample(keys, len(keys)))]
    (tmp_path / "contexts" / "zoo.toml").write_text("\n".join(lines))
    monkeypatch.setenv("YISANG_LANGUAGES", str(tmp_path))
    for direction in ("forward", "reverse"):
        for problem in make_problems(Request("fr", 2, 12, direction=direction), 1, 30):
            assert problem.context == "zoo"
            assert parse(problem.question, "fr", "zoo").graph == problem.graph
            for mode in MODES:
                gold = response(*think_and_answer(problem.graph, "fr", "zoo", mode, "define"))
                assert verify_response(problem.graph, gold, "fr", "zoo").verified
            assert parse(problem.translated("ko"), "ko", "zoo").graph == problem.graph
    assert set(contexts()) == set(CONTEXTS)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ("literal", "[tasks.says] lacks literal"),
        ("so =", "lacks so or told"),
        ("list =", "list must hold two joins"),
    ],
)
def test_a_language_file_that_lacks_words_says_which(
    wrong: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "\n".join(line for line in FRENCH.splitlines() if not line.startswith(wrong))
    (tmp_path / "fq.toml").write_text(text.replace("French", "French 2"))
    monkeypatch.setenv("YISANG_LANGUAGES", str(tmp_path))
    with pytest.raises(UsageError, match=re.escape(says)):
        grammar("fq")


def test_two_things_of_one_name_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "contexts").mkdir()
    (tmp_path / "contexts" / "shelf.toml").write_text(
        '[words.en]\nname = "{kind} on {place}"\ntotal = "all on {place}"\n'
        '[kinds]\na = { en = "books" }\nb = { en = "Books" }\n[places]\nx = { en = "shelf" }\n'
    )
    monkeypatch.setenv("YISANG_LANGUAGES", str(tmp_path))
    with pytest.raises(UsageError, match="both called 'Books'"):
        context("shelf")


def test_shapes_hold_their_bounds() -> None:
    assert (GENERAL.low, GENERAL.high) == (0, 1000)
    assert (NARROW.low, NARROW.high) == (1, 50)
    assert style_of(make_graph(Draw("x"), context("zoo"), 3, shape=NARROW)) == "restate"
    assert style_of(make_graph(Draw("x"), context("zoo"), 3)) == "define"
