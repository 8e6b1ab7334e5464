"""Answers made in batches: the same as those made alone, whatever stands beside them, comes late, or leaves early."""

from __future__ import annotations

import asyncio
import contextlib
import random
import threading

import pytest

from yisang.errors import UsageError
from yisang.teachers.engines.base import TeacherRejected, TeacherUnavailable
from yisang.teachers.engines.batch import Batch, Request, Row
from yisang.teachers.engines.transformers import PREFILL, Transformers, _alike, _Worker
from yisang.teachers.generation import Sampling

from . import tiny
from .conftest import question

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
torch.set_num_threads(1)

GREEDY = Sampling(temperature=0, max_tokens=40)


def texts(count: int, seed: int = 0) -> list[str]:
    """Questions of 1 to 30 words, so of very different lengths."""
    draw = random.Random(seed)
    return [" ".join(draw.choices(tiny.WORDS, k=draw.randint(1, 30))) for _ in range(count)]


def settings(count: int) -> list[Sampling]:
    """Settings of all kinds, so that unlike ones stand in one batch, also greedy ones among drawn ones."""
    draw = random.Random(1)
    return [
        Sampling(
            temperature=draw.choice((0.0, 0.3, 0.7, 1.0, 1.5)),
            top_k=draw.choice((0, 1, 5, 20)),
            top_p=draw.choice((0.5, 0.9, 1.0)),
            min_p=draw.choice((0.0, 0.0, 0.1)),
            max_tokens=draw.choice((1, 2, 17, 40, 60)),
            thinking=draw.random() < 0.5,
            seed=draw.choice((None, 3)),
        )
        for _ in range(count)
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny.write(tmp_path_factory.mktemp("tiny-qwen3"))


@contextlib.contextmanager
def opened(folder, batch_size, **options):
    engine = Transformers("tiny", "1", path=str(folder), device="cpu", batch_size=batch_size, **options)
    yield engine
    asyncio.run(engine.close())


async def answers(engine, asked):
    async with asyncio.timeout(300):  # a request that was lost is to fail, not to hang
        return await asyncio.gather(
            *(engine.generate(question(text), sampling, sample) for text, sampling, sample in asked),
            return_exceptions=True,
        )


def ask(engine, asked):
    return asyncio.run(answers(engine, asked))


def check_the_batch_changes_no_answer(folder, asked, dtype="float32", sizes=(3, 16, 64)):
    with opened(folder, 1, dtype=dtype) as alone:
        expected = [ask(alone, [one])[0] for one in asked]
    assert len({answer.text for answer in expected}) > len(expected) // 2  # they do tell one question from another
    for size in sizes:
        with opened(folder, size, dtype=dtype) as engine:
            assert ask(engine, asked) == expected


def test_greedy_answers_of_a_batch_are_those_alone(folder):
    check_the_batch_changes_no_answer(folder, [(text, GREEDY, 0) for text in texts(60)])


def test_drawn_answers_of_a_batch_are_those_alone_whatever_their_settings(folder):
    asked = [(text, sampling, n) for n, (text, sampling) in enumerate(zip(texts(60), settings(60), strict=True))]
    check_the_batch_changes_no_answer(folder, asked)


@pytest.mark.parametrize("wrong", ["reads_padding", "counts_padding", "shares_the_draws"])
def test_a_batch_that_changes_answers_would_be_seen(folder, monkeypatch, wrong):
    # In float64, so that no rounding is taken for the mistake.
    right, uniform = _Worker._forward, Row.uniform
    shared = torch.Generator().manual_seed(0)

    def reads_padding(self, cache, ids, first, width):
        self._accepts = self._accepts - {"attention_mask"}
        return right(self, cache, ids, first, width)

    def counts_padding(self, cache, ids, first, width):
        self._accepts = self._accepts - {"position_ids"}
        return right(self, cache, ids, first, width)

    def drawn(self):
        uniform(self)
        return float(torch.rand((), generator=shared))

    asked = [(text, Sampling(temperature=0.7, max_tokens=20), 0) for text in texts(24)]
    check_the_batch_changes_no_answer(folder, asked, "float64", sizes=(8,))
    if wrong == "shares_the_draws":
        monkeypatch.setattr(Row, "uniform", drawn)
    else:
        monkeypatch.setattr(_Worker, "_forward", {"reads_padding": reads_padding}.get(wrong, counts_padding))
    with pytest.raises(AssertionError):
        check_the_batch_changes_no_answer(folder, asked, "float64", sizes=(8,))


KINDS = {
    "Qwen3Config": {},
    "LlamaConfig": {},
    # Every layer but the last sees a window shorter than the questions.
    "Gemma3TextConfig": {"sliding_window": 8, "layer_types": ["sliding_attention", "full_attention"]},
    # Positions from a table that ends with the context; no position_ids would be wrong, one beyond it an error.
    "GPT2Config": {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 256},
    # A layer that keeps a state instead of keys and values, and a model of such layers alone.
    "Lfm2Config": {"layer_types": ["conv", "full_attention"]},
    "MambaConfig": {"state_size": 4},
}


@pytest.mark.parametrize("kind", KINDS)
def test_greedy_answers_are_those_of_transformers_own_generate(tmp_path, kind):
    folder = tiny.write(tmp_path, kind, **KINDS[kind])
    asked = [(text, GREEDY, 0) for text in texts(12)]
    with opened(folder, 8, dtype="float64") as engine:
        found = ask(engine, asked)
        tokenizer, model = engine._worker.tokenizer, engine._worker.model
        for (text, _, _), answer in zip(asked, found, strict=True):
            rendered = tokenizer.apply_chat_template(
                [{"role": "user", "content": text}], tokenize=False, add_generation_prompt=True
            )
            inputs = tokenizer(rendered, return_tensors="pt", add_special_tokens=False)
            asked_for = inputs["input_ids"].shape[1]
            ends = sorted(engine._worker.ends)
            drawn = model.generate(**inputs, do_sample=False, max_new_tokens=40, eos_token_id=ends, pad_token_id=0)
            ids = drawn[0, asked_for:].tolist()
            assert answer.text == engine._worker.decode(ids)
            assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (asked_for, len(ids))


def test_a_row_that_ends_with_the_context_runs_along_until_it_leaves(tmp_path):
    # GPT-2 looks positions up in a table, so one beyond the context would be an error for the whole batch.
    folder = tiny.write(tmp_path, "GPT2Config", **KINDS["GPT2Config"])
    asked = [("3마리 " * count, Sampling(temperature=0, max_tokens=100), 0) for count in (1, 99)]
    with opened(folder, 1) as alone:
        expected = [ask(alone, [one])[0] for one in asked]
    usage = expected[1].usage
    assert usage.prompt_tokens + usage.completion_tokens == 256
    assert usage.completion_tokens + 16 < expected[0].usage.completion_tokens
    assert usage.completion_tokens % 16  # so that it does not leave at once
    with opened(folder, 2) as engine:
        assert ask(engine, asked) == expected


def test_the_chances_are_those_of_transformers_warpers():
    torch.manual_seed(0)
    chosen = [setting for setting in settings(200) if setting.temperature > 0]
    logits = 3 * torch.randn(len(chosen), 97)
    rows = [Row(Request([], setting, 0), [1], 1, False) for setting in chosen]
    found = Batch(rows, None, 1, "cpu").chances(logits)
    for setting, scores, ours in zip(chosen, logits.double(), found, strict=True):
        warp = transformers.LogitsProcessorList([transformers.TemperatureLogitsWarper(setting.temperature)])
        if setting.top_k > 0:
            warp.append(transformers.TopKLogitsWarper(setting.top_k))
        if setting.top_p < 1:
            warp.append(transformers.TopPLogitsWarper(setting.top_p))
        if setting.min_p > 0:
            warp.append(transformers.MinPLogitsWarper(setting.min_p))
        expected = torch.softmax(warp(None, scores[None]), -1)[0]
        assert torch.allclose(ours / ours.sum(), expected, atol=1e-12)


def test_a_draw_falls_by_its_number_and_never_to_a_token_without_a_chance(monkeypatch):
    rows = [Row(Request([], Sampling(temperature=1, top_k=2, top_p=1), 0), [1], 1, False) for _ in range(4)]
    numbers = iter((0.0, 0.49, 0.51, 1 - 2**-53))
    monkeypatch.setattr(Row, "uniform", lambda self: next(numbers))
    # Tokens 1 and 3 are left, with a half each; 0, 2 and 4 have none.
    logits = torch.tensor([[0.0, 5.0, 1.0, 5.0, 2.0]]).repeat(4, 1)
    assert Batch(rows, None, 1, "cpu").draw(logits).tolist() == [1, 1, 3, 3]


def test_each_question_is_drawn_by_numbers_of_its_own_and_a_longer_answer_goes_on(folder):
    request = Request([], Sampling(), 0)
    first, again, other = (Row(request, prompt, 1, False) for prompt in ([1, 2], [1, 2], [1, 3]))
    numbers = [[row.uniform() for _ in range(600)] for row in (first, again, other)]
    assert numbers[0] == numbers[1]
    assert not set(numbers[0]) & set(numbers[2])
    assert all(0 <= number < 1 for number in numbers[0])
    assert 0.45 < sum(numbers[0]) / 600 < 0.55
    with opened(folder, 2) as engine:
        short, long = ask(engine, [("곰", Sampling(max_tokens=count), 0) for count in (10, 30)])
    assert long.text.startswith(short.text.rstrip("�"))


class Watched:
    """The rows of every pass of the model, those that read prompts apart from those that draw; `before` runs in each."""

    def __init__(self, monkeypatch):
        self.prompts: list[int] = []
        self.drawn: list[int] = []
        self.before = lambda: None
        right = _Worker._forward

        def forward(worker, cache, ids, first, width):
            (self.drawn if ids.shape[1] == 1 else self.prompts).append(ids.shape[0])
            self.before()
            return right(worker, cache, ids, first, width)

        monkeypatch.setattr(_Worker, "_forward", forward)


def test_short_answers_take_turns_beside_a_long_one(folder, monkeypatch):
    watched = Watched(monkeypatch)
    order = []

    async def one(engine, name, tokens):
        await engine.generate(question(name), Sampling(temperature=0, max_tokens=tokens), 0)
        order.append(name)

    async def several(engine):
        await asyncio.gather(one(engine, "long", 200), *(one(engine, str(n), 10) for n in range(8)))

    with opened(folder, 2) as engine:
        engine_ends(engine)
        asyncio.run(several(engine))
    assert order[-1] == "long"  # with a barrier it would be the second
    assert max(watched.drawn) == 2
    # The long one's own passes, and no others but the few before it came: nothing waited for its end.
    assert len(watched.drawn) <= 199 + 16


def engine_ends(engine):
    """Loads the model and takes its end tokens away, so that every answer has as many tokens as it may."""
    ask(engine, [("x", Sampling(temperature=0, max_tokens=1), 0)])
    engine._worker.ends = set()


def test_a_batch_takes_no_more_rows_than_its_size_and_all_get_an_answer(folder, monkeypatch):
    watched = Watched(monkeypatch)
    with opened(folder, 5) as engine:
        assert engine.concurrency == 5
        found = ask(engine, [(text, GREEDY, 0) for text in texts(23)])
    assert all(answer.usage.completion_tokens for answer in found)
    assert max(watched.drawn) == 5
    assert sum(watched.prompts) == 23


def test_prompts_are_read_with_others_of_about_their_length():
    request = Request([], Sampling(), 0)

    def cut(*lengths):
        return [
            [len(row.prompt) for row in part] for part in _alike([Row(request, [1] * n, 1, False) for n in lengths])
        ]

    assert cut(10, 12, 15, 16, 24, 100, 140) == [[10, 12, 15], [16, 24], [100, 140]]
    assert cut(3000, 3000, 3000, 20_000) == [[3000, 3000], [3000], [20_000]]
    assert 2 * 3000 <= PREFILL < 3 * 3000
    assert cut() == []


def test_a_question_that_is_too_long_is_rejected_alone(folder):
    asked = [(text, GREEDY, 0) for text in ("곰", "가" * 500, "사자")]
    with opened(folder, 4) as engine:
        found = ask(engine, asked)
        assert isinstance(found[1], TeacherRejected)
        assert [found[0], found[2]] == ask(engine, [asked[0], asked[2]])


def test_a_cancelled_answer_leaves_the_batch_and_the_others_stay_the_same(folder, monkeypatch):
    asked = [(text, GREEDY, 0) for text in texts(4)]
    with opened(folder, 8) as engine:
        engine_ends(engine)
        expected = ask(engine, asked)
        watched = Watched(monkeypatch)

        async def cancelled():
            loop = asyncio.get_running_loop()
            endless = asyncio.create_task(engine.generate(question("끝"), Sampling(max_tokens=10_000), 0))
            done = threading.Event()

            def cancel():
                endless.cancel()
                loop.call_soon(done.set)  # in the turn of the loop after that in which the task is told

            def before():
                if len(watched.drawn) == 20:
                    loop.call_soon_threadsafe(cancel)
                    assert done.wait(60)

            watched.before = before
            found = await answers(engine, asked)
            with pytest.raises(asyncio.CancelledError):
                await endless
            return found

        assert asyncio.run(cancelled()) == expected
        # 39 passes of the others after their prompts, and none for the cancelled one, which alone would take 200.
        assert len(watched.drawn) <= 39 + 17
        assert watched.drawn[-1] < 5


def test_a_request_that_arrives_while_the_model_is_busy_does_not_block_the_loop(folder, monkeypatch):
    with opened(folder, 2) as engine:
        engine_ends(engine)
        watched = Watched(monkeypatch)
        entered, free = threading.Event(), threading.Event()

        def before():
            entered.set()
            assert free.wait(60)  # only the loop sets it, after the second request has arrived

        async def two():
            watched.before = before
            first = asyncio.create_task(engine.generate(question("곰"), GREEDY, 0))
            assert await asyncio.to_thread(entered.wait, 60)
            second = asyncio.create_task(engine.generate(question("사자"), GREEDY, 0))
            for _ in range(3):
                await asyncio.sleep(0)
            assert not first.done()
            assert not second.done()
            free.set()
            return await asyncio.gather(first, second)

        assert asyncio.run(two()) == ask(engine, [("곰", GREEDY, 0), ("사자", GREEDY, 0)])


def test_close_waits_for_what_was_asked_and_the_engine_can_be_used_again(folder):
    with opened(folder, 2) as engine:

        async def closed_early():
            tasks = [asyncio.create_task(engine.generate(question(text), GREEDY, 0)) for text in ("곰", "사자", "x")]
            await asyncio.sleep(0)
            await engine.close()
            assert engine._worker is None
            return await asyncio.gather(*tasks)

        assert asyncio.run(closed_early()) == ask(engine, [("곰", GREEDY, 0), ("사자", GREEDY, 0), ("x", GREEDY, 0)])
        names = [thread.name for thread in threading.enumerate()]
    assert sum(name.startswith("teacher") for name in names) == 1
    assert not any(thread.name.startswith("teacher") for thread in threading.enumerate())


@pytest.mark.parametrize("where", ["prompt", "token"])
@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory. Tried"), ZeroDivisionError("broken")])
def test_a_failure_reaches_every_row_of_the_batch_and_none_after_it(folder, monkeypatch, where, error):
    with opened(folder, 4) as engine:
        expected = ask(engine, [("곰", GREEDY, 0)])
        watched = Watched(monkeypatch)

        def before():
            if where == "prompt" or watched.drawn:
                raise error

        watched.before = before
        found = ask(engine, [(text, GREEDY, 0) for text in ("곰", "사자")])
        if isinstance(error, ZeroDivisionError):
            assert found == [error, error]
        else:
            assert all(isinstance(one, TeacherUnavailable) and "batch_size" in str(one) for one in found)
        watched.before = lambda: None
        assert ask(engine, [("곰", GREEDY, 0)]) == expected


def test_a_batch_of_no_rows_is_refused():
    with pytest.raises(UsageError, match="batch_size is 0"):
        Transformers("tiny", "1", batch_size=0)
