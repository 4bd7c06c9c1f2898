"""NannyML's synthetic car loans as a use case: 100,000 loans from January 2018 to August 2019."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pyarrow as pa
from peers import PYTHON

from perennial.spec.load import load_use_case
from replays import flights
from replays.stored import Recorded

FOLDER = Path(__file__).parent / "car_loans"
DATA = "lib/python3.*/site-packages/nannyml/datasets/data"
KNOWN_AFTER = pd.Timedelta(days=1)  # the data set doesn't say when it was known whether a loan is paid back


def recorded_loans() -> Recorded:
    """All loans with their outcomes, of the package that the peers' environment has; trained, judged and retrained by
    the very settings of the flights.
    """
    folder = next(PYTHON.parents[1].glob(DATA), None)
    if folder is None:
        raise SystemExit("The peers' environment is missing; run `make bench`, which makes it.")
    loaded, settings = load_use_case(FOLDER), load_use_case(flights.FOLDER).spec
    spec = loaded.spec.model_copy(update={"training": settings.training, "monitoring": settings.monitoring})
    use_case = replace(loaded, spec=spec, expectations=())
    before = pd.read_csv(folder / "synthetic_car_loan_reference.csv")
    after = pd.read_csv(folder / "synthetic_car_loan_analysis.csv")
    after = after.merge(pd.read_csv(folder / "synthetic_car_loan_analysis_target.csv"), on="id")
    loans = pd.concat([before, after], ignore_index=True)
    loans["timestamp"] = pd.to_datetime(loans["timestamp"], utc=True)
    labels = pd.DataFrame(
        {
            "id": loans["id"],
            "timestamp": loans["timestamp"],
            "repaid": loans["repaid"] == 1,
            "known_at": loans["timestamp"] + KNOWN_AFTER,
        }
    )
    rows = loans[[name for name in use_case.spec.columns if name in loans]]
    return Recorded(use_case, *(pa.Table.from_pandas(each, preserve_index=False) for each in (rows, labels)))
