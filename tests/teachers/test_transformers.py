"""The in-process engine with a tiny random Qwen3: real tokenizer, real chat template, real sampling."""

from __future__ import annotations

import asyncio
import json
import pickle

import pytest

from yisang.errors import UsageError
from yisang.teachers.answers import AnswerStore
from yisang.teachers.engines.base import TeacherRejected, TeacherUnavailable
from yisang.teachers.engines.transformers import Transformers
from yisang.teachers.generation import Sampling
from yisang.teachers.rollouts import Counters, Request, ask

from . import tiny
from .conftest import prompt, question

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
torch.set_num_threads(1)

GREEDY = Sampling(temperature=0, max_tokens=12)
DRAWN = Sampling(temperature=1.0, max_tokens=12, top_k=0, top_p=1.0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny.write(tmp_path_factory.mktemp("tiny-qwen3"))


@pytest.fixture(scope="module")
def engine(folder):
    engine = Transformers("tiny", "1", path=str(folder), device="cpu")
    yield engine
    asyncio.run(engine.close())


def run(engine, sampling, sample=0, text="곰은 몇 마리인가?"):
    return asyncio.run(engine.generate(question(text), sampling, sample))


def test_greedy_is_deterministic_and_needs_no_seed(engine):
    first = run(engine, GREEDY)
    assert first == run(engine, GREEDY, sample=5) == run(engine, Sampling(temperature=0, max_tokens=12, seed=9))
    assert first.finish_reason == "length"
    assert first.usage.completion_tokens == 12
    assert first.usage.prompt_tokens > 5


def test_the_same_seed_and_sample_give_the_same_text_and_others_another(engine):
    texts = [run(engine, DRAWN, sample=n).text for n in range(4)]
    assert texts == [run(engine, DRAWN, sample=n).text for n in range(4)]
    assert len(set(texts)) == 4
    seeded = Sampling(temperature=1.0, max_tokens=12, top_k=0, top_p=1.0, seed=2)
    assert run(engine, seeded, sample=1).text == texts[3]  # the seed of sample n is seed + n


def test_other_random_numbers_of_the_process_change_nothing_and_are_not_changed(engine):
    torch.manual_seed(1)
    first = run(engine, DRAWN).text
    state = torch.get_rng_state()
    torch.rand(7)
    assert run(engine, DRAWN).text == first
    torch.set_rng_state(state)
    expected = torch.rand(3)
    torch.set_rng_state(state)
    run(engine, DRAWN)
    assert torch.equal(torch.rand(3), expected)


def test_one_choice_left_is_greedy(engine):
    greedy = run(engine, GREEDY).text
    assert run(engine, Sampling(temperature=1.0, top_k=1, top_p=1.0, max_tokens=12)).text == greedy
    assert run(engine, Sampling(temperature=1.0, top_k=0, top_p=1e-9, max_tokens=12)).text == greedy
    assert run(engine, Sampling(temperature=1.0, top_k=0, top_p=1.0, min_p=1.0, max_tokens=12)).text == greedy
    assert run(engine, Sampling(temperature=1e-4, top_k=0, top_p=1.0, max_tokens=12)).text == greedy


def test_the_draws_follow_the_model_s_chances(engine):
    # Against the model's own softmax: a hot draw that ignored the logits would spread over all of the vocabulary.
    tokenizer, model = engine._worker.tokenizer, engine._worker.model
    rendered = tokenizer.apply_chat_template(
        [{"role": "user", "content": "곰은 몇 마리인가?"}], tokenize=False, add_generation_prompt=True
    )
    with torch.inference_mode():
        logits = model(**tokenizer(rendered, return_tensors="pt", add_special_tokens=False)).logits[0, -1]
    chances = torch.softmax(logits.float() / 0.2, -1)
    best = int(chances.argmax())
    one = Sampling(temperature=0.2, top_k=0, top_p=1.0, max_tokens=1)
    texts = [run(engine, one, sample=n).text for n in range(60)]
    share = texts.count(engine._worker.decode([best])) / 60
    expected = float(chances[best])
    assert abs(share - expected) < 5 * (expected * (1 - expected) / 60) ** 0.5 + 0.02


def test_an_end_token_is_a_stop(folder, engine):
    # A token that greedy decoding comes to becomes an end token, beside the tokenizer's own.
    whole = run(engine, GREEDY)
    model, tokenizer = engine._worker.model, engine._worker.tokenizer
    rendered = tokenizer.apply_chat_template(
        [{"role": "user", "content": "곰은 몇 마리인가?"}], tokenize=False, add_generation_prompt=True
    )
    inputs = tokenizer(rendered, return_tensors="pt", add_special_tokens=False)
    drawn = model.generate(**inputs, do_sample=False, max_new_tokens=12, pad_token_id=0, eos_token_id=None)
    drawn = drawn[0, inputs["input_ids"].shape[1] :].tolist()
    end = next(token for token in drawn if token != drawn[0])
    place = drawn.index(end)
    other = Transformers("tiny", "1", path=str(folder), device="cpu")
    run(other, GREEDY)
    other._worker.ends.add(end)
    stopped = run(other, GREEDY)
    asyncio.run(other.close())
    assert (stopped.finish_reason, whole.finish_reason) == ("stop", "length")
    assert stopped.usage.completion_tokens == place + 1  # the end token was generated too
    assert stopped.text == engine._worker.decode(drawn[:place])
    assert whole.text == engine._worker.decode(drawn)


def test_end_tokens_of_the_model_count_beside_the_tokenizer_s(folder, tmp_path):
    path = copied(folder, tmp_path)
    settings = json.loads((path / "generation_config.json").read_text())
    settings |= {"eos_token_id": [0, 5], "temperature": 0.1, "do_sample": True, "repetition_penalty": 3.0}
    (path / "generation_config.json").write_text(json.dumps(settings))
    other = Transformers("tiny", "1", path=str(path), device="cpu")
    changed = run(other, GREEDY)
    assert other._worker.ends == {0, 5, other._worker.tokenizer.eos_token_id}
    # The recipe says how to draw, not they.
    assert other._worker.model.generation_config.repetition_penalty in (None, 1.0)
    asyncio.run(other.close())
    plain = Transformers("tiny", "1", path=str(folder), device="cpu")
    assert changed.text == run(plain, GREEDY).text
    asyncio.run(plain.close())


def test_a_think_block_that_the_template_opened_stands_in_the_text(folder, tmp_path):
    path = copied(folder, tmp_path)
    template = path / "chat_template.jinja"
    template.write_text(template.read_text() + "{% if enable_thinking is not false %}<think>\n{% endif %}")
    other = Transformers("tiny", "1", path=str(path), device="cpu")
    answer = run(other, GREEDY)
    assert answer.text.startswith("<think>\n")
    assert (answer.structure, answer.finish_reason) == ("unclosed", "length")  # without the tag: "absent"
    silent = run(other, Sampling(temperature=0, max_tokens=12, thinking=False))
    assert silent.structure == "absent"
    asyncio.run(other.close())


@pytest.mark.parametrize("special", [False, True])
def test_special_tokens_are_hidden_but_think_tags_are_not(folder, tmp_path, special):
    # Some tokenizers count the think tags as special; skip_special_tokens would take them out of the answer.
    path = copied(folder, tmp_path)
    tokenizer = json.loads((path / "tokenizer.json").read_text(encoding="utf-8"))
    for token in tokenizer["added_tokens"]:
        token["special"] = token["special"] or special
    (path / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    other = Transformers("tiny", "1", path=str(path), device="cpu")
    run(other, GREEDY)
    ids = other._worker.tokenizer.convert_tokens_to_ids(["<think>", "<|im_start|>", "</think>", "<|im_end|>"])
    if special:
        assert other._worker.tokenizer.decode(ids, skip_special_tokens=True) == ""
    assert other._worker.decode(ids) == "<think></think>"
    asyncio.run(other.close())


def test_a_question_beyond_the_context_is_rejected_and_a_long_answer_cut(engine):
    with pytest.raises(TeacherRejected, match="takes 256 with the answer"):
        run(engine, GREEDY, text="가" * 500)
    answer = run(engine, Sampling(temperature=0, max_tokens=10_000))
    assert answer.finish_reason == "length"
    assert answer.usage.prompt_tokens + answer.usage.completion_tokens == 256


def test_a_model_that_is_not_there_is_a_paragraph(tmp_path):
    missing = Transformers("tiny", "1", path=str(tmp_path / "none"))
    with pytest.raises(TeacherUnavailable, match="could not be loaded"):
        run(missing, GREEDY)
    asyncio.run(missing.close())


def test_a_model_without_a_chat_template_is_no_teacher(folder, tmp_path):
    path = copied(folder, tmp_path)
    (path / "chat_template.jinja").unlink()
    other = Transformers("tiny", "1", path=str(path))
    with pytest.raises(UsageError, match="no chat template"):
        run(other, GREEDY)
    asyncio.run(other.close())


def test_a_cancelled_answer_stops_at_its_next_token(engine):
    async def cancelled():
        task = asyncio.create_task(engine.generate(question("q"), Sampling(max_tokens=10_000), 0))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return await engine.generate(question("q"), GREEDY, 0)  # the one thread is free again

    assert asyncio.run(cancelled()).finish_reason == "length"


def test_asked_through_the_stream_and_stored(folder, tmp_path):
    engine = Transformers("tiny", "1", path=str(folder), device="cpu")
    asked = [Request(prompt=prompt("곰"), messages=question("곰"), sampling=DRAWN, sample=n) for n in range(3)]

    async def collect(engine, counters):
        with AnswerStore(tmp_path) as store:
            found = [outcome async for _, outcome in ask(asked, engine, store, counters=counters)]
        await engine.close()
        return found

    first, second = Counters(), Counters()
    moved = pickle.loads(pickle.dumps(engine))
    assert asyncio.run(collect(engine, first)) == asyncio.run(collect(moved, second))
    assert (first, second) == (Counters(asked=3), Counters(reused=3))


def copied(folder, tmp_path):
    path = tmp_path / "copy"
    path.mkdir()
    for file in folder.iterdir():
        (path / file.name).write_bytes(file.read_bytes())
    return path
