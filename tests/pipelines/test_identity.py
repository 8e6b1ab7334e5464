"""What counts as a change of a step, and what does not. A change that is missed would serve stale results."""

from __future__ import annotations

import functools
import importlib
import re
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recipes_for_tests.helpers import write

from yisang.errors import UsageError
from yisang.pipelines import identity as module_under_test
from yisang.pipelines.compile import compile_recipe
from yisang.pipelines.identity import digest, identity
from yisang.pipelines.recipe import load
from yisang.records import Page, Prompt


def forget() -> None:
    """Another process would know nothing of the code that this one has read."""
    for cached in (module_under_test.code_digest, module_under_test._read):
        cached.cache_clear()


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    before = set(sys.modules)
    forget()
    yield
    for name in set(sys.modules) - before:
        if name.startswith(("recipe_", "mysteps")):
            del sys.modules[name]
    forget()


def of(value: Any) -> str:
    return digest(identity(value, "step"))


def module(path: Path, text: str) -> Any:
    """A recipe file's module, loaded as another process would load it."""
    forget()
    write(path, text + "\n\ndef build():\n    raise NotImplementedError\n")
    from yisang.pipelines.recipe import _load_file

    return _load_file(path)


@dataclass(frozen=True)
class Length:
    minimum: int
    words: tuple[str, ...] = ()

    def __call__(self, record: Prompt) -> Prompt:
        return record

    def method(self, record: Prompt) -> Prompt:
        return record


@dataclass(frozen=True)
class Reads:
    path: str

    def __call__(self, record: Prompt) -> Prompt:
        return record

    def identity(self) -> Any:
        return {"path": self.path, "words": Path(self.path).read_text()}


def test_a_parameter_is_a_change() -> None:
    assert of(Length(1)) == of(Length(1))
    values = [Length(1), Length(2), Length(1, ("a",)), Length(1, ("a", "b")), Length(1, ("ab",)), Length(1).method]
    assert len({of(value) for value in values}) == len(values)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, 1.0), (1, True), (1, "1"), (None, ""), (b"a", "a"), (["a"], "a"), ({"a": 1}, {"a": 2}), ({1}, [1]),
        (Prompt, Page), (frozenset("ab"), frozenset("abc")), (len, max),
        (functools.partial(max, 1), functools.partial(max, 2)),
        (functools.partial(max, key=len), functools.partial(max, key=abs)),
    ],
)  # fmt: skip
def test_values_are_told_apart(one: Any, other: Any) -> None:
    assert of(one) != of(other)


@given(st.dictionaries(st.text(), st.integers()), st.randoms())
def test_the_order_of_keys_and_sets_is_no_change(values: dict[str, int], random: Any) -> None:
    items = list(values.items())
    random.shuffle(items)
    assert of(dict(items)) == of(values)
    assert of(set(dict(items))) == of(frozenset(values))


def test_a_literal_in_a_function_of_the_recipe_is_a_change(tmp_path: Path) -> None:
    text = "def f(record):\n    return record if len(record.text) > {} else None\n"
    first = of(module(tmp_path / "a/r.py", text.format(10)).f)
    assert of(module(tmp_path / "a/r.py", text.format(11)).f) != first
    assert of(module(tmp_path / "a/r.py", text.format(10)).f) == first


def test_moving_the_recipe_is_no_change(tmp_path: Path) -> None:
    text = "from yisang.records import Drop\n\ndef f(record):\n    return Drop('x')\n"
    assert of(module(tmp_path / "a/r.py", text).f) == of(module(tmp_path / "elsewhere/deep/r.py", text).f)


def test_a_recipe_that_is_edited_and_loaded_again_is_another_one(tmp_path: Path) -> None:
    def fingerprint(minimum: int) -> str:
        text = f'''
            """A recipe."""
            from recipes_for_tests.helpers import Texts
            from yisang.pipelines.curate import Corpus
            from yisang.pipelines.recipe import Recipe
            from yisang.pipelines.steps import Each
            from yisang.records import Drop

            def length(record):
                return record if len(record.text) > {minimum} else Drop("short")

            def build():
                return Recipe("r", "1", Texts(1), (Each(length),), Corpus("R", "en"))
        '''
        return compile_recipe(load(str(write(tmp_path / "r.py", text))).recipe).fingerprint

    assert fingerprint(10) != fingerprint(11)


def test_a_closure_value_is_a_change(tmp_path: Path) -> None:
    made = module(tmp_path / "r.py", "def make(n):\n    def f(record):\n        return n\n    return f\n").make
    assert of(made(1)) == of(made(1))
    assert of(made(1)) != of(made(2))


def test_a_default_value_is_a_change(tmp_path: Path) -> None:
    text = "def make(n):\n    return lambda record, n=n: n\n\ndef make_named(n):\n    return lambda record, *, n=n: n\n"
    made = module(tmp_path / "r.py", text)
    assert of(made.make(1)) == of(made.make(1))
    assert of(made.make(1)) != of(made.make(2))
    assert of(made.make_named(1)) != of(made.make_named(2))


def test_two_functions_of_one_name_are_told_apart(tmp_path: Path) -> None:
    text = (
        "def choose(strict):\n    if strict:\n        def f(record):\n            return 1\n"
        "    else:\n        def f(record):\n            return 2\n    return f\n"
        "one, other = (lambda record: 1), (lambda record: 2)\n"
    )
    made = module(tmp_path / "r.py", text)
    assert of(made.choose(True)) != of(made.choose(False))
    assert of(made.one) != of(made.other)


def test_a_function_that_calls_itself_has_an_identity(tmp_path: Path) -> None:
    text = "def make():\n    def f(record):\n        return f(record)\n    return f\n"
    assert of(module(tmp_path / "r.py", text).make()) == of(module(tmp_path / "r.py", text).make())


def test_a_bound_builtin_is_its_object_too() -> None:
    assert of({"a": 1}.get) != of({"a": 2}.get)


STEPS = "from .helper import LEAST\n\ndef f(record):\n    return LEAST\n"


def package(folder: Path, name: str, helper: str, other: str = "", steps: str = STEPS) -> Any:
    """A package of steps with a helper module, imported as another process would import it."""
    write(folder / name / "__init__.py", "")
    write(folder / name / "helper.py", helper)
    write(folder / name / "unused.py", other)
    write(folder / name / "steps.py", steps)
    for loaded in [loaded for loaded in sys.modules if loaded.split(".")[0] == name]:
        del sys.modules[loaded]
    importlib.invalidate_caches()
    forget()
    return importlib.import_module(f"{name}.steps")


def test_a_line_in_a_helper_of_the_same_package_is_a_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    first = of(package(tmp_path, "mysteps_a", "LEAST = 1\n").f)
    assert of(package(tmp_path, "mysteps_a", "LEAST = 2\n").f) != first
    assert of(package(tmp_path, "mysteps_a", "LEAST = 1\n", other="X = 1\n").f) == first


def test_code_that_is_named_and_not_loaded_counts_and_stays_unloaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as an engine that a function would start, whose libraries take seconds to load or are not there."""
    monkeypatch.syspath_prepend(str(tmp_path))
    write(tmp_path / "mysteps_lazy" / "far" / "__init__.py", "raise SystemExit('it was loaded')\n")
    steps = """
        def f(record):
            try:
                return lambda: None if record.id else 0
            finally:
                with open(record.text):
                    from .far.engine import start
    """

    def described(line: str) -> str:
        write(tmp_path / "mysteps_lazy" / "far" / "engine.py", f"{line}\n\ndef start(): pass\n")
        return of(package(tmp_path, "mysteps_lazy", "", steps=steps).f)

    first = described("LEAST = 1")
    assert described("LEAST = 2") != first
    assert described("LEAST = 1") == first
    assert "mysteps_lazy.far" not in sys.modules


def test_a_line_in_a_module_beside_the_recipe_is_a_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    found = []
    for least in (1, 2):
        sys.modules.pop("mysteps_beside", None)
        importlib.invalidate_caches()
        write(tmp_path / "mysteps_beside.py", f"LEAST = {least}\n# {'x' * least}\n")
        text = "from mysteps_beside import LEAST\n\ndef f(record):\n    return LEAST\n"
        found.append(of(module(tmp_path / "r.py", text).f))
    assert found[0] != found[1]


def test_a_module_in_folders_without_init_is_found_and_they_are_not_loaded_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "plainfolder" / "deep").mkdir(parents=True)
    path = write(tmp_path / "plainfolder" / "deep" / "mine.py", "raise RuntimeError('loaded')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    found = [module_under_test._source_path(f"plainfolder.deep.{name}") for name in ("mine", "missing")]
    assert found == [path, None]


def test_a_data_file_is_a_change_where_the_step_says_so(tmp_path: Path) -> None:
    words = write(tmp_path / "words.txt", "one\n")
    first = of(Reads(str(words)))
    assert of(Reads(str(words))) == first
    write(words, "one two\n")
    assert of(Reads(str(words))) != first


class Opaque:
    def __call__(self, record: Prompt) -> Prompt:
        return record


@pytest.mark.parametrize("value", [Opaque(), threading.Lock(), object(), [Opaque()], {"a": Opaque()}, Length(Opaque())])  # type: ignore[arg-type]
def test_what_cannot_be_identified_is_refused_in_words(value: Any) -> None:
    with pytest.raises(
        UsageError, match=r"Step length: cannot tell when .* Make it a frozen dataclass, a plain function"
    ):
        identity(value, "length")


def test_a_closure_over_what_cannot_be_identified_is_refused() -> None:
    lock = threading.Lock()
    with pytest.raises(UsageError, match="Step locked: cannot tell when"):
        identity(lambda record: lock, "locked")


def test_identities_are_the_same_in_another_process(tmp_path: Path) -> None:
    import subprocess

    text = "import functools\ndef f(record):\n    return {1, 2}\nvalue = [f, {'b', 'a', 'c'}, functools.partial(f, x={'z', 'y'})]\n"
    path = tmp_path / "r.py"
    code = (
        "import sys; from pathlib import Path; from yisang.pipelines.recipe import _load_file; "
        "from yisang.pipelines.identity import digest, identity; "
        f"print(digest(identity(_load_file(Path({str(path)!r})).value, 's')))"
    )
    first = of(module(path, text).value)
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(module_under_test.__file__).parents[2])},
        )
        assert done.stdout.strip().splitlines()[-1] == first


def test_a_pattern_is_a_parameter_or_refused_in_words() -> None:
    try:
        assert of(re.compile("a")) != of(re.compile("b"))
    except UsageError as error:
        assert "re.compile" in str(error)
