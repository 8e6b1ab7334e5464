"""The licence that a page states for itself, with its evidence.

page_licence    all statements of a page, and the licence that follows from them
TagLicence      a recipe step: the licence of a page's host, lowered by what the page says
"""

from yisang.sources.rights.licences.findings import Finding, PageLicence
from yisang.sources.rights.licences.page import page_licence
from yisang.sources.rights.licences.steps import TagLicence

__all__ = ["Finding", "PageLicence", "TagLicence", "page_licence"]
