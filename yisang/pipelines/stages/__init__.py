"""Stages: named passes over files that are more than a function of one record or one group."""
