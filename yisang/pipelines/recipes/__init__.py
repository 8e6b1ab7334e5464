"""Recipes that ship with yisang. `yisang run NAME` takes them by the name of their file."""
