"""Measurements, beside peers in the same run where there is one. Not part of `make test`."""
