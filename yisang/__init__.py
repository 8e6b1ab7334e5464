"""yisang: the open web into a reasoning corpus for one language, and the corpus into a model."""

__version__ = "0.1.0"
