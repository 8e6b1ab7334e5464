"""Strategies: what they ask, when they stop, and that a second run pays for nothing of it again."""

from __future__ import annotations

import json

import pytest

from yisang.errors import UsageError
from yisang.filters.cot import Structure
from yisang.filters.keep import Keep
from yisang.records import Dead, Drop, Trace
from yisang.tasks.problems import Request, make_problem
from yisang.teachers.answers import AnswerStore
from yisang.teachers.engines import TeacherRejected
from yisang.teachers.engines.base import EngineBase
from yisang.teachers.engines.openai import OpenAI
from yisang.teachers.engines.scripted import Scripted
from yisang.teachers.generation import Sampling, Teacher, Usage, generation
from yisang.teachers.prompts import MixedPrompt
from yisang.teachers.rollouts import Counters, teach
from yisang.teachers.strategies import Escalate, Once, Retry, ThinkingBudget

from .conftest import completion, prompt

TEACHER = Teacher(engine="openai", model="m", revision="r1")
LARGE = Teacher(engine="openai", model="large", revision="r9")
SAMPLING = Sampling(max_tokens=50, seed=100)
ONE_BLOCK = (Structure(), Keep(verdicts={"structure": ("one",)}))


@pytest.fixture
def store(tmp_path):
    with AnswerStore(tmp_path / "answers") as store:
        yield store


class Saying(EngineBase):
    """Answers by the function `says(messages, sampling, sample)`: a text, or (text, finish reason), or an error to raise."""

    concurrency = 4

    def __init__(self, says, teacher=TEACHER):
        super().__init__(teacher.model, teacher.revision)
        self.says, self.asked = says, []

    async def generate(self, messages, sampling, sample):
        self.asked.append((messages, sampling, sample))
        said = self.says(messages, sampling, sample)
        if isinstance(said, Exception):
            raise said
        text, reason = (said, "stop") if isinstance(said, str) else said
        return generation(text, finish_reason=reason, usage=Usage(prompt_tokens=5, completion_tokens=len(text)))


def taught(engine, store, strategy, texts=("가",), samples=1, others=(), sampling=SAMPLING, counters=None):
    prompts = [prompt(text) for text in texts]
    return list(
        teach(
            prompts,
            TEACHER,
            MixedPrompt(),
            sampling,
            samples,
            engine,
            store,
            strategy=strategy,
            others=others,
            counters=counters,
        )
    )


def good_from(number):
    """Structure is broken in all samples before `number`."""
    return lambda messages, sampling, sample: "<think>a</think>b" if sample >= number else "no thoughts"


# Retry


def test_it_asks_with_another_seed_until_the_checks_pass_and_keeps_each_attempt(store):
    engine = Saying(good_from(2))
    traces = taught(engine, store, Retry(ONE_BLOCK, attempts=5))
    assert [trace.sample for trace in traces] == [0, 1, 2]
    assert [trace.measures["attempt"] for trace in traces] == [0, 1, 2]
    assert [trace.sampling["seed"] for trace in traces] == [100, 101, 102]
    assert len({trace.id for trace in traces}) == 3
    # What the recipe's own steps do with them further down.
    kept = [found for trace in traces if not isinstance(found := ONE_BLOCK[1](ONE_BLOCK[0](trace)), Drop)]
    assert [trace.sample for trace in kept] == [2]


def test_the_attempts_are_capped(store):
    engine = Saying(good_from(10**9))
    assert len(taught(engine, store, Retry(ONE_BLOCK, attempts=3))) == 3
    assert len(engine.asked) == 3


def test_the_attempts_of_two_samples_share_no_seed(store):
    traces = taught(Saying(good_from(10**9)), store, Retry(ONE_BLOCK, attempts=3), samples=2)
    assert [trace.sample for trace in traces] == [0, 2, 4, 1, 3, 5]


def test_a_second_run_asks_nothing_and_gives_the_same(store):
    strategy = Retry(ONE_BLOCK, attempts=3)
    first = taught(Saying(good_from(1)), store, strategy, texts="가나다", samples=2)
    silent = Saying(lambda *_: pytest.fail("asked again"))
    counters = Counters()
    assert taught(silent, store, strategy, texts="가나다", samples=2, counters=counters) == first
    assert counters.asked == 0


def test_a_stricter_check_goes_on_from_the_attempts_that_are_stored(store):
    taught(Saying(good_from(1)), store, Retry(ONE_BLOCK, attempts=4))
    engine = Saying(good_from(1))
    strict = (*ONE_BLOCK, lambda trace: trace if trace.sample == 3 else Drop("not_three"))
    assert [trace.sample for trace in taught(engine, store, Retry(strict, attempts=4))] == [0, 1, 2, 3]
    assert [sample for _, _, sample in engine.asked] == [2, 3]


def test_a_rejected_request_is_not_asked_again(store):
    engine = Saying(lambda *_: TeacherRejected("not this one"))
    (dead,) = taught(engine, store, Retry(ONE_BLOCK, attempts=4))
    assert isinstance(dead, Dead)
    assert "not this one" in dead.message
    assert len(engine.asked) == 1


def test_a_check_that_fails_on_a_trace_makes_a_dead_letter_of_it_and_the_run_goes_on(store):
    def broken(trace):
        if trace.prompt.text == "나":
            raise KeyError("no column")
        return trace

    first, dead, last = taught(Saying(good_from(0)), store, Retry((broken,)), texts="가나다")
    assert (dead.error, dead.record.prompt.text) == ("KeyError", "나")
    assert "check broken" in dead.message
    assert "no column" in dead.traceback
    assert [first.prompt.text, last.prompt.text] == ["가", "다"]


def test_a_check_may_return_measures_but_not_nothing(store):
    assert len(taught(Saying(good_from(0)), store, Retry((lambda trace: {"length": 1.0},)))) == 1
    with pytest.raises(UsageError, match="returned NoneType"):
        taught(Saying(good_from(0)), store, Retry((lambda trace: None,)))


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Retry(()),
        lambda: Retry(Structure()),
        lambda: Retry([Structure()]),
        lambda: Retry(ONE_BLOCK, attempts=0),
        lambda: Escalate(LARGE, ()),
        lambda: ThinkingBudget(0),
        lambda: ThinkingBudget(10, bridge="now</think>"),
    ],
)
def test_a_strategy_that_could_not_work_is_refused(wrong):
    with pytest.raises(UsageError):
        wrong()


# Escalation


def test_the_large_teacher_is_asked_where_the_small_one_fails(store):
    small = Saying(lambda messages, *_: "<think>a</think>b" if messages[-1].content == "나" else "nothing")
    large = Saying(lambda *_: "<think>large</think>b", LARGE)
    strategy = Escalate(LARGE, ONE_BLOCK, small=Retry(ONE_BLOCK, attempts=2))
    traces = taught(small, store, strategy, texts="가나", others=[large])
    assert [(trace.prompt.text, trace.teacher, trace.revision, trace.sample) for trace in traces] == [
        ("가", "m", "r1", 0),
        ("가", "m", "r1", 1),
        ("가", "large", "r9", 2),
        ("나", "m", "r1", 0),
    ]
    assert [trace.measures["attempt"] for trace in traces] == [0, 1, 2, 0]
    assert len(large.asked) == 1
    assert len({trace.id for trace in traces}) == 4


def test_a_strategy_without_its_second_engine_is_refused(store):
    with pytest.raises(UsageError, match="asks large at r9 too"):
        taught(Saying(good_from(0)), store, Escalate(LARGE, ONE_BLOCK))


# Thinking budget


def test_thinking_over_its_budget_is_closed_and_the_answer_asked_for(store):
    def says(messages, sampling, sample):
        if messages[-1].role == "assistant":
            return "답은 3입니다."
        return "<think>\nLet me count", "length"

    engine = Saying(says)
    (trace,) = taught(engine, store, ThinkingBudget(20, answer_tokens=7, bridge="Time is up."))
    assert trace.think == "Let me count\n\nTime is up."
    assert trace.answer == "답은 3입니다."
    assert (trace.finish_reason, trace.verdicts) == ("stop", {"thinking_budget": "forced_close"})
    assert Structure()(trace).verdicts["structure"] == "one"
    (_, first, _), (messages, second, _) = engine.asked
    assert (first.max_tokens, second.max_tokens) == (20, 7)
    assert messages[-1].content == "<think>\nLet me count\n\nTime is up.\n</think>"
    assert trace.usage == {
        "prompt_tokens": 10,
        "completion_tokens": len("<think>\nLet me count") + len("답은 3입니다."),
    }
    assert trace.sampling["max_tokens"] == 27


def test_thinking_within_its_budget_is_one_call(store):
    engine = Saying(lambda *_: "<think>short</think>답")
    (trace,) = taught(engine, store, ThinkingBudget(20))
    assert trace.verdicts == {"thinking_budget": "within"}
    assert len(engine.asked) == 1


def test_an_answer_that_the_budget_cuts_is_continued_and_not_begun_anew(store):
    def says(messages, sampling, sample):
        return "\n\n3입니다." if messages[-1].role == "assistant" else ("<think>a</think>\n\n답은\n", "length")

    (trace,) = taught(Saying(says), store, ThinkingBudget(20))
    assert trace.text == "<think>a</think>\n\n답은\n\n3입니다."
    assert trace.verdicts == {"thinking_budget": "continued"}


def test_an_answer_that_is_cut_too_is_a_truncated_trace(store):
    engine = Saying(lambda *_: ("<think>a", "length"))
    (trace,) = taught(engine, store, ThinkingBudget(20))
    assert trace.finish_reason == "length"


def test_a_run_killed_between_the_two_calls_pays_for_the_first_once(store):
    def fails_second(messages, *_):
        return TeacherRejected("down") if messages[-1].role == "assistant" else ("<think>a", "length")

    (dead,) = taught(Saying(fails_second), store, ThinkingBudget(20))
    assert isinstance(dead, Dead)
    engine = Saying(lambda messages, *_: "b")
    (trace,) = taught(engine, store, ThinkingBudget(20))
    assert [messages[-1].role for messages, _, _ in engine.asked] == ["assistant"]
    assert trace.answer == "b"


def test_a_budget_needs_thinking(store):
    with pytest.raises(UsageError, match="thinking=False"):
        taught(Saying(good_from(0)), store, ThinkingBudget(20), sampling=Sampling(thinking=False))


def test_strategies_stand_in_each_other(store):
    """Each retry has a budget of its own; the second passes."""

    def says(messages, sampling, sample):
        if messages[-1].role == "assistant":
            return "답" if sample else ""
        return "<think>a", "length"

    traces = taught(Saying(says), store, Retry(ONE_BLOCK, each=ThinkingBudget(20)))
    assert [trace.measures["attempt"] for trace in traces] == [0, 1]
    assert [trace.verdicts["thinking_budget"] for trace in traces] == ["forced_close"] * 2


def test_the_scripted_teacher_answers_within_a_budget(store):
    problem = make_problem(Request("ko", 4, 4), 1, 1)
    teacher = Teacher(engine="scripted", model="scripted", revision="1")
    (whole,) = teach([problem.prompt("t")], teacher, MixedPrompt(), Sampling(), 1, Scripted(), store)
    (trace,) = teach(
        [problem.prompt("t")], teacher, MixedPrompt(), Sampling(), 1, Scripted(), store, strategy=ThinkingBudget(8)
    )
    assert trace.verdicts["thinking_budget"] == "forced_close"
    assert trace.answer == whole.answer
    assert whole.think.startswith(trace.think.partition("\n\n")[0])


# Over the wire


def test_an_endpoint_is_told_to_go_on_from_the_beginning(server, store):
    def reply(handler, body):
        begun = body["messages"][-1]["role"] == "assistant"
        found = (
            completion("답", finish="stop") if begun else completion("", finish="length", reasoning_content="Let me")
        )
        handler.send(200, json.dumps(found).encode())

    server.otherwise = reply
    engine = OpenAI("m", "r1", base_url=server.url)
    (trace,) = taught(engine, store, ThinkingBudget(20, bridge="Time is up."))
    assert isinstance(trace, Trace)
    assert (trace.think, trace.answer) == ("Let me\n\nTime is up.", "답")
    first, second = (seen["body"] for seen in server.requests)
    assert "continue_final_message" not in first
    assert (second["continue_final_message"], second["add_generation_prompt"]) == (True, False)


def test_what_goes_on_is_text_even_where_the_endpoint_calls_it_reasoning(server, store):
    """A reasoning parser that waits for the closing tag takes what comes behind it for thoughts."""

    def reply(handler, body):
        begun = body["messages"][-1]["role"] == "assistant"
        found = completion(None, reasoning_content="답") if begun else completion("<think>Let me", finish="length")
        handler.send(200, json.dumps(found).encode())

    server.otherwise = reply
    (trace,) = taught(OpenAI("m", "r1", base_url=server.url), store, ThinkingBudget(20))
    assert trace.answer == "답"
    assert Structure()(trace).verdicts["structure"] == "one"


def test_an_endpoint_without_extensions_cannot_go_on(server, store):
    server.otherwise = lambda handler, body: handler.send(
        200, json.dumps(completion("<think>Let me", finish="length")).encode()
    )
    engine = OpenAI("m", "r1", base_url=server.url, extensions=False)
    with pytest.raises(UsageError, match="go on from a beginning"):
        taught(engine, store, ThinkingBudget(20), sampling=Sampling(top_k=0))


def test_once_is_what_there_is_without_a_strategy(store):
    engine = Saying(good_from(0))
    assert taught(engine, store, Once()) == list(
        teach([prompt("가")], TEACHER, MixedPrompt(), SAMPLING, 1, engine, store)
    )
    assert "attempt" not in taught(engine, store, Once())[0].measures
