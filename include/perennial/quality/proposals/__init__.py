"""Expectations written by looking: what past windows were like, and which expectations that suggests."""
