"""Pipelines: built, fitted, judged on a holdout, written as bytes and read again."""
