"""Airflow's edge: DAGs, tasks, connections and the executor. Nothing else in the project imports airflow."""

import warnings

# While it is imported, skops looks for every function of SciPy in every loaded module, and Airflow's modules answer
# each look with a deprecation warning of their own: thousands of lines in a task's log.
warnings.filterwarnings("ignore", category=FutureWarning, module=r"skops\.io\._utils")
