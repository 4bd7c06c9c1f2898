"""Checks of a deployment: what was found, and what to do about it."""
