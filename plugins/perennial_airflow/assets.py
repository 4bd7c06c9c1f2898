"""The data that tasks write, as Airflow assets: for lineage, and for DAGs of others that want to run after them."""

from airflow.sdk import Asset


def raw(use_case: str) -> Asset:
    """Snapshots of windows."""
    return _lake(f"raw/{use_case}")


def quarantine(use_case: str) -> Asset:
    """Rows that a row-level check caught."""
    return _lake(f"quarantine/{use_case}")


def predictions(use_case: str) -> Asset:
    """Live batches, which the published table mirrors."""
    return _lake(f"predictions/{use_case}")


def labels(use_case: str) -> Asset:
    """Outcomes that had arrived."""
    return _lake(f"labels/{use_case}")


def training(use_case: str) -> Asset:
    """Assembled training sets."""
    return _lake(f"training/{use_case}")


# The tables' names are those of `perennial.lake.port`, which DAG files don't import because it imports pyarrow.
def _lake(table: str) -> Asset:
    return Asset(name=table, uri=f"lake://{table}")
