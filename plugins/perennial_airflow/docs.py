"""The Markdown that the UI shows with each DAG."""

from collections.abc import Sequence
from datetime import timedelta

from perennial.spec.models import UseCase
from perennial.spec.monitoring import Monitoring
from perennial.spec.problems import dotted
from perennial.spec.rollout import has_stages
from perennial.spec.training import Training
from perennial.spec.undecidable import undecidable
from perennial_airflow.approval_tasks import TASKS
from perennial_airflow.report_link import windows_of

_UNITS = ((timedelta(weeks=1), "week"), (timedelta(days=1), "day"), (timedelta(hours=1), "hour"))

_HEAD = """## {title}: {what}

{description}

[The windows of this use case]({windows}): what was checked and found in each, and what became of the model.
{remarks}"""

_PREDICT = """
Each run is about one window of {every} ({timezone}), from {start} on, and does this:

| task | what it does |
| --- | --- |
| ingest | takes the window's rows from the source into the lake; the same rows again change nothing |
| validate | checks them against `expectations.yaml`; rows that break a rule are set aside in quarantine |
| score | predicts the clean rows and publishes the predictions, all of the window's at once |
| monitor | measures how far the window is from what the model considers normal |
| trigger_retrain | starts `{name}.retrain` if the evidence asks for it; ordinarily it is skipped |
{shadow_task}{late_task}
A window is due {delay}. {waiting}

When a window fails validation, nothing is scored from it, and the predictions that were published before stay.

**Replay the past**: start a backfill (Trigger, then Backfill, or the command below). Windows that were done before
and whose rows, rules and model are the same change nothing. Where a retraining is triggered, its window waits for it.
Let one run be active at a time, so that each window is scored by the model that the windows before it led to;
Airflow takes 10 unless you say so, which is faster and right when no retraining is expected.

```bash
airflow backfill create --dag-id {name}.predict --from-date {start} --to-date … --max-active-runs 1
```

**Run by hand**: trigger with `window_from` and `window_to` (the end is not included). To score with another model than
the one that was in force, set `model` to `as_now`, or to `pinned` with a `model_version`. With `dry_run`, a run or a
backfill changes nothing: the task `ingest` is skipped, and says for its window which revision, by which model, would
be made of which snapshot.

| limit | value |
| --- | --- |
| rows in a window | {min_rows:,} to {max_rows:,} |
| size of a window | {max_bytes:,} bytes |
| empty window | {empty} |
| rows set aside | the window fails above {quarantined:.2%} |
| false alarms on single windows | {false_alarms} |
| retrain after | {evidence}, at most once in {cooldown} |
"""

_REVIEW = "| select_for_review | chooses the rows that people are asked about, each with a known probability |\n"
_SHADOW = "| shadow | predicts each row by the model that did not serve it, while a challenger is in roll-out |\n"

_ROLLOUT = "| rollout | compares champion and challenger on the same rows, and decides about the roll-out's stage |\n"

_LATE = "| late_data | looks again at the windows of the {late} before; where rows came late they are scored anew |\n"

_MAINTENANCE = """## Maintenance

Every night, for each use case:

| task | what it does |
| --- | --- |
| reconcile | puts right what differs from the ledger: MLflow's aliases, versions and model cards, the lake, the \
published table; fails, with what to do, where that needs a person, and then nothing is removed. All windows are \
compared without their rows; rows are read of new ones and of a thirtieth of the others, with `reconcile_all` of all |
| maintain | removes rows of windows that are older than `retention` keeps their class; optimizes the lake's tables, \
says in its log which files nobody needs any more, and removes those, and what rejected retrainings left |
| archive | archives the model versions that were superseded longer ago than the spec says and that nothing needs |
| standby | tries the champion before the present one, where the spec keeps it ready (`rollout.standby`) |
| gaps | names the windows that should have been scored and were not |
| fill_gaps | starts a run of the predict DAG for each of them, where the spec says `gaps: fill` |
| start_pending_retraining | starts a retraining that was decided and never began; names one that judged nothing |

Once for all, `anchor_ledger` verifies the deployments, decisions, interventions and approvals that were recorded since
the last anchor, and writes a new one. It fails when somebody altered the ledger. `perennial ledger verify` looks at all
of them.

What is live, unless `retention` gives its class an age, what a model was trained on, and what was replaced within the \
use case's `retention` is never removed.
Every repair and every removal is an entry in the ledger. **Run by hand** with `dry_run` to see what would be removed.
"""

_ALERTS = """## Alerts

Every five minutes, for each use case with `alerts` in its `use_case.yaml`:

| task | what it does |
| --- | --- |
| tell | records what is new for whom, and delivers it over the routes' connections |

A receiver that is down is tried again, after 4 minutes at first and every hour at last; nothing is lost, and no run
fails for it. Each message has an id that stays the same, by which a receiver can drop doubles. **Run by hand** to tell
at once. More in docs/alerts.md.
"""

_EVALUATE = """
Labels come late: column `{label}` is known from `{arrival}` on. A window is final {mature} after its end, if as many
labels came as usual. If far fewer came, it is overdue: that is reported, and its labels are asked for again.
Each run uses what was known at its interval's end:

| task | what it does |
| --- | --- |
| collect_labels | takes the labels that had arrived into the lake, for every window that waits for them |
| measure | measures those windows, and decides whether the model has become too bad |
| trigger_retrain | starts `{name}.retrain` if so; ordinarily it is skipped |
{rollout_task}
**Run by hand**: trigger with `as_of`, or with nothing to use what is known now. **Replay the past**: start a backfill,
one run at a time, after that of `{name}.predict`.

| rule | value |
| --- | --- |
| deciding metric | `{metric}` |
| retrain when it is worse than at deployment by | {loss} |
"""

_RETRAIN = """
| task | what it does |
| --- | --- |
| assemble | puts together the clean rows of the {history} before `as_of` whose labels had arrived by then |
| check | refuses a training set whose labels are odd, or with a feature that alone gives the outcome away |
| train | fits each candidate; the last {holdout} are held out; one that fails is left out, and the others go on |
| judge | compares the most promising one with the champion on the same held-out rows; only what is better takes over |
{approval}\
| show | shows each candidate as a run in MLflow, with pictures; nothing waits for it |
| deploy | registers the winner, tries it in a fresh process, makes it champion; skipped where the champion stays |

`{name}.predict` and `{name}.evaluate` trigger this DAG. **Run by hand**: trigger with `as_of` and a `reason`; without
`as_of` everything known when you ask is used.

| rule | value |
| --- | --- |
| candidates | {candidates} |
| deciding metric | `{metric}`, better than the champion's beyond chance; a gain of {gain:g} must not be ruled out |
| rows at least | {min_rows:,} |
"""

_APPROVAL = """| {task} | asks {who} under Required actions, with the comparison; without an answer within {within}, \
the champion stays |
"""

_ROLLBACK = """
| task | what it does |
| --- | --- |
| deploy | makes a version that was champion before the champion again |
| score_again | scores windows from `rescore_from` on again by that version, and says how long that took |

**Run by hand**: trigger with a `reason`, which is kept in the ledger with your name. Without a `version`, the champion
before the present one comes back. What is published stays as it is: the version takes over with the next window that is
not scored yet, or at `effective_from` if that is later. With `rescore_from` it takes over from that time on: windows
since then are scored again, each as a new revision, and published anew.
It is an emergency brake: it needs nobody's approval, whatever the risk.
"""


def predict(spec: UseCase) -> str:
    """For `<use case>.predict`."""
    monitoring = spec.monitoring
    return _head(spec, "predictions") + _PREDICT.format(
        name=spec.name,
        every=spec.schedule.every.words,
        delay=f"{in_words(spec.schedule.delay)} after its end" if spec.schedule.delay else "at its end",
        waiting=_waiting(spec),
        shadow_task=_SHADOW if has_stages(spec.rollout) else "",
        late_task=(_REVIEW if spec.review else "")
        + (_LATE.format(late=in_words(spec.late_data)) if spec.late_data else ""),
        timezone=spec.schedule.timezone,
        start=spec.schedule.start,
        min_rows=spec.quality.min_rows,
        max_rows=spec.limits.max_rows,
        max_bytes=spec.limits.max_bytes,
        empty="skipped" if spec.allow_empty else "fails",
        quarantined=spec.quality.max_quarantined_share,
        false_alarms=monitoring.false_alarms,
        evidence=_evidence(monitoring),
        cooldown=in_words(monitoring.cooldown),
    )


def _waiting(spec: UseCase) -> str:
    if spec.schedule.deadline is None:
        return "It does not wait for what is not there then."
    what = "is empty" if spec.source.ready is None else "is not ready, or empty,"
    return (
        f"Until {in_words(spec.schedule.deadline)} after its end, `ingest` asks again for a window that {what}; "
        f"meanwhile it is deferred and takes no worker's slot."
    )


def _evidence(monitoring: Monitoring) -> str:
    if monitoring.persistence is None:
        return f"evidence over several windows that is wrong {monitoring.false_retrains}"
    return f"{monitoring.persistence.alarms} alarms in {monitoring.persistence.of} windows"


def evaluate(spec: UseCase) -> str:
    """For `<use case>.evaluate`."""
    loss = spec.monitoring.max_metric_loss
    return _head(spec, "evaluation") + _EVALUATE.format(
        name=spec.name,
        rollout_task=_ROLLOUT if has_stages(spec.rollout) else "",
        label=spec.labels.column,
        arrival=spec.labels.arrival_time,
        mature=in_words(spec.labels.mature_after),
        metric=spec.training.metric,
        loss="(never: the spec sets no `max_metric_loss`)" if loss is None else f"{loss:g}",
    )


def retrain(spec: UseCase) -> str:
    """For `<use case>.retrain`."""
    training = spec.training
    return _head(spec, "retraining") + _RETRAIN.format(
        name=spec.name,
        history=in_words(training.history),
        holdout=in_words(training.holdout),
        candidates=", ".join(_candidates(training)),
        metric=training.metric,
        gain=training.min_gain,
        approval=_approval(spec),
        min_rows=training.min_rows,
    )


def _approval(spec: UseCase) -> str:
    who = ("a person other than the one who asked for it", "another person than the first")
    return "".join(
        _APPROVAL.format(task=task, who=whom, within=in_words(spec.risk.answer_within))
        for task, whom in zip(TASKS[: spec.risk_tier.approvers], who, strict=False)
        if spec.risk
    )


def rollback(spec: UseCase) -> str:
    """For `<use case>.rollback`."""
    return _head(spec, "rollback") + _ROLLBACK.format(name=spec.name)


def in_words(duration: timedelta) -> str:
    """A duration in its largest whole unit.

    >>> in_words(timedelta(days=14)), in_words(timedelta(hours=36)), in_words(timedelta(minutes=90))
    ('2 weeks', '36 hours', '90 minutes')
    """
    for unit, name in _UNITS:
        if duration % unit == timedelta(0):
            return _count(duration // unit, name)
    return _count(duration // timedelta(minutes=1), "minute")


def _count(number: int, name: str) -> str:
    return f"{number} {name}" if number == 1 else f"{number} {name}s"


def _candidates(training: Training) -> Sequence[str]:
    return [f"`{each.name}` ({each.estimator})" for each in training.candidates]


def _head(spec: UseCase, what: str) -> str:
    return _HEAD.format(
        title=spec.title,
        what=what,
        description=spec.description.strip(),
        windows=windows_of(f"{spec.name}.predict"),
        remarks=_remarks(spec),
    )


def _remarks(spec: UseCase) -> str:
    """What `perennial check` warns of: the spec asks for it and can never have it."""
    found = [f"- `{dotted(problem.at)}`: {problem.text}.\n" for problem in undecidable(spec)]
    return "\n**With this spec some things can never be decided**:\n\n" + "".join(found) if found else ""


def alerts() -> str:
    """The text of the platform's DAG that tells people."""
    return _ALERTS


def maintenance() -> str:
    """The text of the platform's maintenance DAG."""
    return _MAINTENANCE
