"""What `perennial retrain` prints: sentences and one table, no fields of ours."""

import re
from datetime import UTC, datetime

import pytest
from tests.unit.cli.conftest import Call
from tests.unit.jobs.world import World

from perennial.cli.retrained import print_retrained
from perennial.jobs.retrain.deploy import Deployed
from perennial.jobs.retrain.judge import Judged

SCORES = "on the holdout\troc_auc\tpr_auc\tlog_loss\tbrier"


def test_it_tells_the_decision_the_scores_and_what_is_in_service(world: World, perennial: Call) -> None:
    code, out, _ = perennial("retrain", "parcels", "--as-of", "2024-01-31")
    lines = out.splitlines()
    assert code == 0
    assert lines[0].startswith("promote: logistic has ROC AUC 0.8")
    assert lines[1].startswith("  ROC AUC is that of each window")
    table = lines.index(SCORES)
    assert [line.partition("\t")[0] for line in lines[table + 1 : table + 4]] == ["no_skill", "logistic", "guess"]
    (first,) = world.ports.ledger.deployments("parcels")
    assert lines[table + 4 :] == [
        "logistic was judged after 2,520 rows, and fitted again on all 3,780.",
        f"Version 1 is the champion from 2024-01-31T00:00Z on. Its digest is {first.model_digest}.",
    ]
    assert not re.search(r"None|training_id|champion_id|winner", out)


def test_it_says_that_the_champion_stays(perennial: Call) -> None:
    perennial("retrain", "parcels", "--as-of", "2024-01-31")
    code, out, _ = perennial("retrain", "parcels", "--as-of", "2024-01-31")
    assert code == 0
    assert out.startswith("reject: logistic is the same model as champion version 1")
    assert out.endswith("The champion stays.\n")


@pytest.mark.parametrize(
    ("role", "share", "said"),
    [
        ("champion", None, "Version 3 is the champion from 2024-01-31T00:00Z on."),
        ("challenger", 0, "Version 3 is a challenger in the shadow from 2024-01-31T00:00Z on."),
        ("challenger", 25, "Version 3 predicts 25% of the rows as challenger from 2024-01-31T00:00Z on."),
    ],
)
def test_it_says_what_the_winner_does_now(
    capsys: pytest.CaptureFixture[str], role: str, share: int | None, said: str
) -> None:
    judged = Judged("t", "promote", ("better",), {}, None, None, None)
    deployed = Deployed(7, "3", "d" * 64, datetime(2024, 1, 31, tzinfo=UTC), role, share)
    print_retrained(judged, deployed, None)
    assert capsys.readouterr().out.splitlines()[-1] == f"{said} Its digest is {'d' * 64}."
