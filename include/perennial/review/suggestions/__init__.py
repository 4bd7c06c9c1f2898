"""Expectations that past windows suggest, to read and to paste."""
