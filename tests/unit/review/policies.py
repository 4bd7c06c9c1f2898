"""A backtest of three policies, as the command line records it."""

from tests.unit.review.lived import Life

from perennial.ledger.entries import Backtest


def record_backtest(life: Life) -> Backtest:
    def came_of(policy: str, values: tuple[float, float], regret: float, promoted: list[bool]) -> dict[str, object]:
        months = {f"2024-0{month}": {"roc_auc": value} for month, value in zip((3, 4), values, strict=True)}
        retrainings = [{"as_of": "2024-03-09T00:00:00Z", "reason": "age", "promoted": each} for each in promoted]
        return {
            "policy": policy, "windows": 61, "rows": 54_900, "months": months,
            "overall": {"roc_auc": sum(values) / 2}, "retrainings": retrainings, "compute_seconds": 41.0,
            "regret": regret,
        }  # fmt: skip

    return life.ledger.record_backtest(
        Backtest(
            "parcels", life.window(60).start, life.window(120).end, 61, "roc_auc",
            {"always": {"triggers": ["age"], "max_age": "P7D"}, "never": {"triggers": []}, "combined": {}},
            (
                came_of("always", (0.71, 0.72), 0.0, [True, True, False]),
                came_of("never", (0.70, 0.66), 0.035, []),
                came_of("combined", (0.71, 0.71), 0.005, [True]),
            ),
            "cli__2024-05-01T10:00:00.000000Z",
        )
    )  # fmt: skip
