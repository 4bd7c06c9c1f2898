"""Airflow's executors, of which the end-to-end tests run under one: a real Airflow, and all that it needs beside it.

The variable `TEST_EXECUTOR` names it, and nothing but `tests.e2e.system` reads that. Without it, it is the one of
`make run`.
"""
