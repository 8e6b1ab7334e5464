"""The messages of each placement and mode, word for word; and what makes a prompt another one."""

from __future__ import annotations

import itertools
import json
import pickle
from pathlib import Path

import msgspec
import pytest

from yisang.errors import UsageError
from yisang.languages import codes, load
from yisang.teachers.prompts import ByLanguage, MixedPrompt

from .conftest import prompt

GOLDEN = Path(__file__).with_name("golden")
PLACEMENTS = ("system", "first_turn", "prefix")
MODES = ("mixed", "mixed_zh", "mixed_ru", "short", "target_only", "english_only")
QUESTION = "곰은 3마리이다. 사자는 곰보다 5마리 많다.\n\n사자의 수를 구하라."


def shown(template):
    messages = msgspec.to_builtins(template.messages(prompt(QUESTION)))
    return json.dumps({"version": template.version, "messages": messages}, ensure_ascii=False, indent=2) + "\n"


@pytest.mark.parametrize(("placement", "mode"), list(itertools.product(PLACEMENTS, MODES)))
def test_the_messages_are_those_of_the_golden_file(placement, mode):
    # After an intended change of the language file: write shown(...) into the golden file, and raise its version.
    expected = (GOLDEN / f"ko_{mode}_{placement}.json").read_text(encoding="utf-8")
    assert shown(MixedPrompt("ko", mode, placement)) == expected


def test_there_is_a_golden_file_for_each_and_no_other():
    assert {path.stem for path in GOLDEN.iterdir()} == {f"ko_{m}_{p}" for m in MODES for p in PLACEMENTS}


def test_the_placements_differ_as_the_paper_and_its_code_do():
    roles = {name: [m.role for m in MixedPrompt(placement=name).messages(prompt("q"))] for name in PLACEMENTS}
    assert roles == {"system": ["system", "user"], "first_turn": ["user", "user"], "prefix": ["user"]}
    for name in PLACEMENTS:
        assert MixedPrompt(placement=name).messages(prompt(QUESTION))[-1].content.endswith(QUESTION)


@pytest.mark.parametrize("code", [code for code in codes() if "mixed" in load(code).prompts])
def test_the_words_are_those_of_the_language_file(code):
    template = MixedPrompt(code)
    assert template.text == load(code).prompts["mixed"].text
    assert template.version == f"{load(code).prompts['mixed'].version}/system"


def test_versions_and_identities_tell_all_apart():
    templates = [MixedPrompt("ko", mode, placement) for mode in MODES for placement in PLACEMENTS]
    templates += [MixedPrompt(instruction="x"), MixedPrompt(instruction="y")]
    assert len({template.version for template in templates}) == len(templates)
    assert len({json.dumps(template.identity(), sort_keys=True) for template in templates}) == len(templates)


def test_the_identity_holds_the_digest_of_the_language_file(tmp_path, monkeypatch):
    before = MixedPrompt().identity()
    shipped = Path(load.__code__.co_filename).with_name("ko.toml").read_text(encoding="utf-8")
    (tmp_path / "ko.toml").write_text(shipped + "\n# changed\n", encoding="utf-8")
    monkeypatch.setenv("YISANG_LANGUAGES", str(tmp_path))
    assert MixedPrompt().identity() != before


def test_own_words_take_the_place_of_the_file_s():
    template = MixedPrompt(instruction="Think.")
    assert template.messages(prompt("q"))[0].content == "Think."
    assert template.version.startswith("own-")


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"placement": "footer"}, "placement is 'footer'"), ({"mode": "rhymed"}, "rhymed"), ({"language": "xx"}, "xx"),
     ({"instruction": " "}, "blank")],
)  # fmt: skip
def test_a_wrong_setting_is_refused_when_the_recipe_is_made(changes, words):
    with pytest.raises(UsageError, match=words):
        MixedPrompt(**changes)


def test_a_template_survives_pickling():
    template = MixedPrompt(mode="target_only", placement="prefix")
    assert pickle.loads(pickle.dumps(template)) == template


def test_each_prompt_is_asked_in_the_words_of_its_own_language():
    korean, english = MixedPrompt("ko", "mixed"), MixedPrompt("en", "target_only")
    both = ByLanguage((korean, english))
    assert ByLanguage((english, korean)) == both
    asked = prompt(QUESTION)
    assert both.messages(asked) == korean.messages(asked)
    said = msgspec.structs.replace(asked, language="en")
    assert both.messages(said) == english.messages(said) != korean.messages(said)
    assert both.version == f"{english.version} {korean.version}"
    with pytest.raises(UsageError, match="is in 'ja', for which there is no template; there are en, ko"):
        both.messages(msgspec.structs.replace(asked, language="ja"))
    for wrong in ((), (korean, MixedPrompt("ko", "short"))):
        with pytest.raises(UsageError, match="one template for each language"):
            ByLanguage(wrong)
