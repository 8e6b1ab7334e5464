"""What a step is: its import path, its parameters, and the source of its code. A stored result with another identity
is never read again.

The code part follows imports inside the step's own package (and inside yisang), so that a mended helper counts as a
change too; of other packages the version counts where the step's module imports them.
"""

from __future__ import annotations

import ast
import dataclasses
import enum
import functools
import hashlib
import importlib.metadata
import importlib.util
import json
import re
import sys
import types
from collections import defaultdict
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import msgspec

from yisang.errors import UsageError
from yisang.records import Record


def digest(value: Any) -> str:
    """SHA-256 of a JSON-able value, independent of the order of keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def identity(value: Any, where: str) -> Any:
    """A JSON-able description of a parameter, a function or a step. `where` names the step for errors.

    An object may define `identity()` to say it itself, for example to add the digest of a data file that it reads.
    """
    return _identity(value, where, ())


def _identity(value: Any, where: str, within: tuple[int, ...]) -> Any:
    """`within` holds the functions that are being described, as a function may refer to itself."""
    inner = functools.partial(_identity, where=where, within=(*within, id(value)))
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, bytes):
        return {"bytes": hashlib.sha256(value).hexdigest()}
    if isinstance(value, list | tuple):
        return [inner(item) for item in value]
    if isinstance(value, set | frozenset):
        return {"set": sorted((inner(item) for item in value), key=digest)}
    if isinstance(value, dict):
        return {str(key): inner(item) for key, item in value.items()}
    if isinstance(value, enum.Enum):
        return {"enum": _import_path(type(value)), "name": value.name}
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, re.Pattern):
        return {"pattern": value.pattern, "flags": value.flags}
    if isinstance(value, type):
        return {"type": _import_path(value), "code": code_digest(value.__module__)}
    if isinstance(value, functools.partial):
        return {"partial": inner(value.func), "args": inner([value.args, value.keywords])}
    if isinstance(value, types.MethodType):
        return {"method": value.__name__, "of": inner(value.__self__)}
    if isinstance(value, types.BuiltinFunctionType):
        owner = None if isinstance(value.__self__, types.ModuleType) else inner(value.__self__)
        return {"function": f"{value.__module__}.{value.__qualname__}", "of": owner}
    if isinstance(value, types.FunctionType):
        if id(value) in within:
            return {"function": _import_path(value), "itself": True}
        bound = [[cell.cell_contents for cell in value.__closure__ or ()], value.__defaults__, value.__kwdefaults__]
        # Two lambdas of a line have one name; what they do tells them apart.
        does = [value.__code__.co_firstlineno, _does(value.__code__)]
        return {
            "function": _import_path(value),
            "bound": [inner(item) for item in bound],
            "does": digest(does),
            "code": code_digest(value.__module__),
        }
    if callable(getattr(value, "identity", None)):
        own = {"type": _import_path(type(value)), "identity": inner(value.identity())}
    elif dataclasses.is_dataclass(value):
        fields = {item.name: inner(getattr(value, item.name)) for item in dataclasses.fields(value)}
        own = {"type": _import_path(type(value)), "fields": fields}
    elif isinstance(value, msgspec.Struct):
        fields = {name: inner(getattr(value, name)) for name in value.__struct_fields__}
        own = {"type": _import_path(type(value)), "fields": fields}
        if isinstance(value, Record):
            return own
    else:
        raise UsageError(
            f"Step {where}: cannot tell when {value!r} ({type(value).__name__}) changes, so stored results could go "
            "stale. Make it a frozen dataclass, a plain function, or give it a method identity()."
        )
    return {**own, "code": code_digest(type(value).__module__)}


def _does(code: types.CodeType) -> list[Any]:
    """What a function's code does, its inner functions included; all that there is of one without a source file."""
    return [code.co_code.hex(), list(code.co_names), [_constant(constant) for constant in code.co_consts]]


def _constant(value: Any) -> Any:
    if isinstance(value, types.CodeType):
        return _does(value)
    if isinstance(value, frozenset):
        return sorted(map(repr, value))
    return [_constant(item) for item in value] if isinstance(value, tuple) else repr(value)


def forget() -> None:
    """Reads all code again: a notebook may have edited a module, and loaded it again, since it was last looked at."""
    code_digest.cache_clear()
    _read.cache_clear()
    _is_installed.cache_clear()


def _import_path(value: Any) -> str:
    return f"{value.__module__}.{value.__qualname__}"


@functools.cache
def code_digest(module: str) -> str:
    """SHA-256 over the source of a module, of the modules that are edited along with it and that it imports, directly
    or not (yisang's, its own package's, and all that lie outside of the installed packages), and over the versions of
    the installed packages that it imports itself."""
    sources: dict[str, str] = {}
    waiting = [module]
    outside: set[str] = set()
    while waiting:
        name = waiting.pop()
        path = _source_path(name)
        if name in sources or path is None:
            continue
        sources[name], imports = _read(name, path)
        for imported in imports:
            top = imported.split(".")[0]
            if top in (module.split(".")[0], "yisang") or not _is_installed(top):
                waiting.append(imported)
            elif name == module:
                outside.add(top)
    return digest([sources, {package: _version(package) for package in sorted(outside)}])


@functools.cache
def _is_installed(package: str) -> bool:
    """Whether a package is Python's own or was installed by pip, rather than a file that its author still edits."""
    if package in sys.stdlib_module_names:
        return True
    path = _source_path(package)
    return path is None or not {"site-packages", "dist-packages"}.isdisjoint(path.parts)


@functools.cache
def _read(module: str, path: Path) -> tuple[str, tuple[str, ...]]:
    """The digest of a module's source, and what it imports."""
    text = path.read_bytes()
    found = hashlib.sha256(text).hexdigest()
    spec = getattr(sys.modules.get(module), "__spec__", None)
    loaded, before = _SEEN.get(module, (None, ""))
    if spec is not None and loaded is spec and before != found:
        raise UsageError(
            f"{path} was edited after this process had loaded it, so its old code would run under the name of the new one. "
            f"Reload it (importlib.reload) and what uses it, or start the process again."
        )
    if spec is not None:
        _SEEN[module] = spec, found
    return found, _imports(text, module, path.name == "__init__.py")


_SEEN: dict[str, tuple[object, str]] = {}
"""Loaded modules: what each was loaded by (another after a reload), and the digest of its source when first looked at."""


def _source_path(module: str) -> Path | None:
    loaded = sys.modules.get(module)
    origin = getattr(loaded, "__file__", None)
    if origin is None and loaded is None:
        spec = _spec(module)
        origin = spec.origin if spec else None
    path = Path(origin) if origin else None
    return path if path is not None and path.suffix == ".py" and path.is_file() else None


def _spec(module: str) -> ModuleSpec | None:
    """How a module would be loaded; None for what is none, such as the name in `from package import name`.

    Unlike importlib.util.find_spec it loads no parent: to know the source of a step, no engine that yisang can run on
    needs to be there.
    """
    parent, _, _ = module.rpartition(".")
    if not parent:
        return importlib.util.find_spec(module)
    if parent in sys.modules:
        places = getattr(sys.modules[parent], "__path__", None)
    else:
        found = _spec(parent)
        places = found.submodule_search_locations if found else None
    if places is None:
        return None
    specs = (finder.find_spec(module, places, None) for finder in sys.meta_path)
    try:
        return next((spec for spec in specs if spec is not None), None)
    except KeyError:  # a folder without __init__.py in another one: its spec asks sys.modules for the folder above, which runs no code
        try:
            return importlib.util.find_spec(module)
        except ModuleNotFoundError:
            return None


@functools.lru_cache(maxsize=4_096)
def _imports(text: bytes, module: str, package: bool) -> tuple[str, ...]:
    """What the source of a module imports. A file is read again for each plan, and parsed again if it has changed."""
    return tuple(_imported(ast.parse(text), module, package))


def _imported(tree: ast.Module, module: str, package: bool) -> Iterator[str]:
    for node in _statements(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                level = node.level - 1 if package else node.level
                parent = module.rsplit(".", level)[0] if level else module
                base = f"{parent}.{base}" if base else parent
            yield base
            # `from yisang.filters import length` names a module, `from yisang.records import Drop` does not.
            yield from (f"{base}.{alias.name}" for alias in node.names)


def _statements(tree: ast.Module) -> Iterator[ast.AST]:
    """Every statement, at any depth. What stands in expressions is not walked through: no import does."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        for name in ("body", "orelse", "finalbody", "handlers", "cases"):
            below = getattr(node, name, ())
            # The body of a lambda, or of `a if b else c`, is an expression.
            waiting += below if isinstance(below, list) else ()


@functools.cache
def _version(package: str) -> str:
    if package in sys.stdlib_module_names:
        return f"python{sys.version_info.major}.{sys.version_info.minor}"
    names = {found.metadata["Name"] for found in _distributions().get(package, ())}
    return ",".join(f"{name}=={importlib.metadata.version(name)}" for name in sorted(names))


@functools.cache
def _distributions() -> dict[str, list[importlib.metadata.Distribution]]:
    """The installed distributions that bring something of a top-level name.

    importlib.metadata.packages_distributions() parses the metadata of each and makes an object of each of its files,
    which took a quarter of a second of every command.
    """
    found: defaultdict[str, list[importlib.metadata.Distribution]] = defaultdict(list)
    for distribution in importlib.metadata.distributions():
        names = set((distribution.read_text("top_level.txt") or "").split())
        if not names:
            record = distribution.read_text("RECORD")
            files = map(str, distribution.files or ()) if record is None else record.splitlines()
            # What is no name of a package (a folder of scripts, of metadata) is never asked for.
            names = {file.partition("/")[0].partition(".")[0] for file in files}
        for name in names:
            found[name].append(distribution)
    return dict(found)
