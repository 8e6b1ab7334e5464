"""Where records come from: crawls, web archives, HTML files, tables and hubs, and the step from a page to its
questions.

Names are loaded on first use, so that importing this package costs nothing and pulls in no parser.
`decode` is a module of its own (`from yisang.sources.decode import decode`).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from yisang.sources.base import InputFile, PassedOver, Shard, Source, SourceItem
    from yisang.sources.crawl import Crawl
    from yisang.sources.delimited import Csv
    from yisang.sources.exams import Exams
    from yisang.sources.html_files import HtmlFiles
    from yisang.sources.hub import HubDataset
    from yisang.sources.jsonlines import JsonLines
    from yisang.sources.parquet import Parquet
    from yisang.sources.questions import PageToPrompts
    from yisang.sources.tasks import Tasks
    from yisang.sources.warc import Warc

__all__ = [
    "Crawl",
    "Csv",
    "Exams",
    "HtmlFiles",
    "HubDataset",
    "InputFile",
    "JsonLines",
    "PageToPrompts",
    "Parquet",
    "PassedOver",
    "Shard",
    "Source",
    "SourceItem",
    "Tasks",
    "Warc",
]

_MODULES = {
    "base": ("InputFile", "PassedOver", "Shard", "Source", "SourceItem"),
    "crawl": ("Crawl",),
    "delimited": ("Csv",),
    "exams": ("Exams",),
    "html_files": ("HtmlFiles",),
    "hub": ("HubDataset",),
    "jsonlines": ("JsonLines",),
    "parquet": ("Parquet",),
    "questions": ("PageToPrompts",),
    "tasks": ("Tasks",),
    "warc": ("Warc",),
}
_HOME = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value
