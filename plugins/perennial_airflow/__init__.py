"""Airflow's edge: DAGs, tasks, connections and the executor. Nothing else in the project imports airflow.

Two libraries would fill the log of every task with lines about themselves while they are imported; here they are
told not to.
"""

import logging
import warnings

# skops looks for every function of SciPy in every loaded module, and Airflow's modules answer each look with a
# deprecation warning of their own.
warnings.filterwarnings("ignore", category=FutureWarning, module=r"skops\.io\._utils")

# Great Expectations reports each of its functions that it leaves out of its own reference documentation.
logging.getLogger("great_expectations").setLevel(logging.WARNING)
