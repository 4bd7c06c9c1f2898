"""How often a fair judgement errs: promotions of models that are no better, and of better ones that are not found.

Run it as `python tests/bench/promotion_errors.py`; it prints tables, a picture (docs/images/promotion_errors.png), and
then the same as JSON. Deterministic. It fails when more than 5% of equal models are promoted, or a challenger that
is better by the minimum effect is found less than 80% of the time on the labels that were said to be enough, by more
than chance explains.

The simulated days are like real ones: rows of a day share shocks, which favour now one model, now the other.
Peers are the rule that promotes on a better point estimate, and the usual tests, which take every row for independent:
DeLong's for ROC AUC, and Student's paired t-test of losses.
"""

import json
import math
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from scipy import stats

from perennial.judgement.candidates import judge_candidates
from perennial.judgement.compare import compare
from perennial.judgement.labels_needed import labels_needed
from perennial.judgement.rows import Scored
from perennial.judgement.slices import judge_slices
from perennial.judgement.verdict import GainVerdict, judge_gain

PROMOTIONS, DAYS = 200, 14
ALLOWED, POWER = 0.05, 0.8
CANDIDATES = 5
METRICS = ("roc_auc", "pr_auc", "brier", "mae")
BETTER_BY = 1.5  # the noise of the champion, in that of a challenger that is better by the minimum effect
SHARES = (0.0, 0.5, 1.0, 1.5, 2.0)  # of the minimum effect, for the picture
HARMED = 4.0  # the challenger's noise in the slice that gets worse, in the champion's
PICTURE = Path(__file__).parents[2] / "docs" / "images" / "promotion_errors.png"
OURS, BY_ROWS, POINT = "by windows", "rows as independent", "point estimate"
ORIGINS = {"EWR": 0.36, "JFK": 0.33, "LGA": 0.31}
CARRIERS = dict(zip("ABCDEFGHIJKL", np.array([30, 25, 12, 10, 8, 6, 4, 2, 1, 1, 0.7, 0.3]) / 100, strict=True))


@dataclass(frozen=True)
class Holdout:
    """Rows of some days: outcomes as classes and as numbers, each model's probabilities, and what the rows are of."""

    truth: np.ndarray
    amount: np.ndarray
    models: list[np.ndarray]
    windows: np.ndarray
    origin: np.ndarray
    carrier: np.ndarray

    def scored(self, metric: str = "roc_auc", challenger: int = 1) -> Scored:
        """The first model as the champion, and another as its challenger."""
        champion, other = self.models[0], self.models[challenger]
        if metric == "mae":
            return Scored(self.amount, np.log(champion / (1 - champion)), np.log(other / (1 - other)), self.windows)
        return Scored(self.truth, champion, other, self.windows)


@dataclass(frozen=True)
class World:
    """Models that see the same signal, each with noise of its own.

    On each day the base rate moves; each model's noise is stronger or weaker, on that day and at each origin, by its
    own chance; and each model is too high or too low that day, because of something that it takes for a sign and the
    other doesn't. With equal `noise`, to exchange two models changes nothing: they are equally good, exactly.
    `harmed` makes the second model's noise stronger in one slice, the origin LGA.
    """

    rows: int = 200
    noise: tuple[float, ...] = (0.6, 0.6)
    common: float = 0.8
    shock: float = 0.35
    level: float = 0.5
    harmed: float = 1.0
    same_noise: bool = False

    def holdout(self, days: int, seed: int) -> Holdout:
        """So many days. With `same_noise` models differ by the strength of their noise alone, draw by draw."""
        random = np.random.default_rng(seed)
        size = (days, self.rows)
        signal = random.normal(size=size)
        chance = -1.2 + 0.4 * random.normal(size=(days, 1)) + 1.2 * signal
        truth = (random.random(size) < 1 / (1 + np.exp(-chance))).astype(float)
        origin = random.choice(len(ORIGINS), size, p=list(ORIGINS.values()))
        carrier = random.choice(list(CARRIERS), size, p=list(CARRIERS.values()))
        seen = signal + self.common * random.normal(size=size)
        own = [self._own(random, origin) for _ in self.noise]
        models = []
        for position, noise in enumerate(self.noise):
            strength = noise * (np.where(origin == 2, self.harmed, 1.0) if position == 1 else 1.0)
            noises, level = own[0 if self.same_noise else position]
            score = seen + level + strength * noises
            models.append(1 / (1 + np.exp(1.2 - 0.7 * score)).ravel())
        amount = (0.7 * seen - 1.2 + random.normal(size=size)).ravel()
        names = np.repeat(np.array([f"day {k:04d}" for k in range(days)]), self.rows)
        codes = np.array(list(ORIGINS))
        return Holdout(truth.ravel(), amount, models, names, codes[origin].ravel(), carrier.ravel())

    def _own(self, random: np.random.Generator, origin: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What is a model's own: its noise of each row, and its level on each day."""
        of_day = random.normal(size=(len(origin), 1))
        of_origin = np.take_along_axis(random.normal(size=(len(origin), len(ORIGINS))), origin, axis=1)
        noises = np.exp(self.shock * (of_day + of_origin) / math.sqrt(2)) * random.normal(size=origin.shape)
        return noises, self.level * random.normal(size=(len(origin), 1))


@dataclass(frozen=True)
class Share:
    """How often something happened, with its 95% interval (Clopper and Pearson)."""

    share: float
    low: float
    high: float

    @classmethod
    def of(cls, happened: Sequence[bool]) -> "Share":
        """The share of trials."""
        hits, trials = sum(happened), len(happened)
        low = stats.beta.ppf(0.025, hits, trials - hits + 1) if hits else 0.0
        high = stats.beta.ppf(0.975, hits + 1, trials - hits) if hits < trials else 1.0
        return cls(hits / trials, round(float(low), 4), round(float(high), 4))

    def __str__(self) -> str:
        return f"{self.share:.1%} ({self.low:.1%} to {self.high:.1%})"


@dataclass(frozen=True)
class Errors:
    """All measurements. `equal` is by metric and rule; `found` by rule; `curve` by rule, at `SHARES` of the effect;
    `harm` is the loss of ROC AUC in the slice that gets worse."""

    promotions: int
    equal: dict[str, dict[str, Share]]
    min_effect: float
    days_said_to_be_enough: dict[str, float]
    found: dict[str, Share]
    curve: dict[str, list[Share]]
    slices_refused: Share
    harm: float
    harm_found: Share
    candidates: dict[str, Share]


def promoted(metric: str, scored: Scored, min_effect: float = 0.0) -> dict[str, bool]:
    """Whether each rule promotes the challenger. Of PR AUC there is no usual test."""
    ours = compare(metric, scored)
    rules = {OURS: judge_gain(ours, min_effect).verdict is GainVerdict.BETTER, POINT: ours.gain > 0}
    if metric == "roc_auc":
        rows = compare(metric, replace(scored, windows=np.zeros(len(scored))))
        rules[BY_ROWS] = judge_gain(rows, min_effect).verdict is GainVerdict.BETTER
    elif metric != "pr_auc":
        power = 2 if metric == "brier" else 1
        losses = [np.abs(scored.truth - each) ** power for each in (scored.champion, scored.challenger)]
        rules[BY_ROWS] = bool(stats.ttest_rel(*losses, alternative="greater").pvalue < ALLOWED / 2)
    return rules


def equal_models(metric: str, promotions: int) -> dict[str, Share]:
    """Equal models, by rule: how often the challenger is promoted."""
    found = [promoted(metric, World().holdout(DAYS, seed).scored(metric)) for seed in range(promotions)]
    return by_rule(found)


def by_rule(found: Sequence[dict[str, bool]]) -> dict[str, Share]:
    return {rule: Share.of([each[rule] for each in found]) for rule in found[0]}


def better_world(factor: float) -> World:
    """The champion's noise is stronger by that factor."""
    return World(noise=(0.6 * factor, 0.6))


def true_gain(factor: float, days: int = 3_000) -> float:
    """The challenger's gain in ROC AUC, nearly without sampling error: both models have the same draws of noise."""
    return compare("roc_auc", replace(better_world(factor), same_noise=True).holdout(days, 7).scored()).gain


def better_models(effect: float, factor: float, promotions: int) -> tuple[dict[str, Share], list[int]]:
    """A challenger that is better by the effect, judged on as many days as a first holdout said to be enough."""
    world, days, found = better_world(factor), [], []
    for seed in range(promotions):
        first = compare("roc_auc", world.holdout(DAYS, seed).scored())
        days.append(labels_needed(first, effect).windows)
        found.append(promoted("roc_auc", world.holdout(days[-1], 100_000 + seed).scored(), effect))
    return by_rule(found), days


def sliced(world: World, promotions: int, margin: float = 0.0) -> Share:
    """How often a challenger is refused for any slice of origin or carrier."""
    refused = []
    for seed in range(promotions):
        holdout = world.holdout(DAYS, 200_000 + seed)
        columns = {"origin": holdout.origin.tolist(), "carrier": holdout.carrier.tolist()}
        margins = dict.fromkeys(columns, margin)
        refused.append(judge_slices("roc_auc", holdout.scored(), columns, margins).refused)
    return Share.of(refused)


def harm(days: int = 400) -> float:
    """How much ROC AUC the harmed slice loses."""
    holdout = World(harmed=HARMED).holdout(days, 8)
    return -compare("roc_auc", holdout.scored().where(holdout.origin == "LGA")).gain


def several_candidates(promotions: int) -> dict[str, Share]:
    """How often any of some candidates is promoted that are all as good as the champion."""
    found = []
    for seed in range(promotions):
        holdout = World(noise=(0.6,) * (CANDIDATES + 1)).holdout(DAYS, 300_000 + seed)
        comparisons = {f"model {k}": compare("roc_auc", holdout.scored(challenger=k)) for k in range(1, CANDIDATES + 1)}
        found.append(
            {
                "all, corrected": judge_candidates(comparisons).winner is not None,
                "one, chosen before": judge_candidates(comparisons, chosen="model 1").winner is not None,
                "all, not corrected": any(each.low > 0 for each in comparisons.values()),
                POINT: max(each.gain for each in comparisons.values()) > 0,
            }
        )
    return by_rule(found)


def measure(promotions: int = PROMOTIONS) -> Errors:
    """All measurements."""
    effect = true_gain(BETTER_BY)
    found, days = better_models(effect, BETTER_BY, promotions)
    usual = int(np.median(days))
    curve: dict[str, list[Share]] = {OURS: [], BY_ROWS: [], POINT: []}
    for share in SHARES:
        world = better_world(1 + (BETTER_BY - 1) * share)
        trials = [
            promoted("roc_auc", world.holdout(usual, 400_000 + seed).scored(), effect)
            for seed in range(promotions // 2)
        ]
        for rule, each in by_rule(trials).items():
            curve[rule].append(each)
    return Errors(
        promotions=promotions,
        equal={metric: equal_models(metric, promotions) for metric in METRICS},
        min_effect=round(effect, 5),
        days_said_to_be_enough=dict(
            zip(("least", "median", "most"), np.quantile(days, [0, 0.5, 1]).tolist(), strict=True)
        ),
        found=found,
        curve=curve,
        slices_refused=sliced(World(), 5 * promotions),  # cheap, and the tails of many slices need it
        harm=round(harm(), 4),
        harm_found=sliced(World(harmed=HARMED), promotions // 2),
        candidates=several_candidates(promotions),
    )


def failures(result: Errors) -> list[str]:
    """What is beyond what is promised by more than chance explains."""
    ours = {
        **{f"equal models, {metric}": shares[OURS] for metric, shares in result.equal.items()},
        "equal challenger refused for a slice": result.slices_refused,
        "equal candidates, all": result.candidates["all, corrected"],
        "equal candidates, one": result.candidates["one, chosen before"],
    }
    told = [
        f"{name}: {share}, promised are at most {ALLOWED:.0%}" for name, share in ours.items() if share.low > ALLOWED
    ]
    if result.found[OURS].high < POWER:
        told.append(f"better by the minimum effect: found {result.found[OURS]}, promised are {POWER:.0%}")
    return told


def table(result: Errors) -> str:
    """The result as text."""
    rules = (OURS, BY_ROWS, POINT)
    lines = [f"{result.promotions} promotions between equal models, {DAYS} days of {World().rows} rows: promoted"]
    lines += ["| metric | " + " | ".join(rules) + " |", "|---" * 4 + "|"]
    for metric, shares in result.equal.items():
        lines.append(f"| {metric} | " + " | ".join(str(shares.get(rule, "")) for rule in rules) + " |")
    enough = result.days_said_to_be_enough
    lines += [
        "",
        f"better by the minimum effect, {result.min_effect:.4f} of ROC AUC, on the days said to be enough "
        f"({enough['least']:.0f} to {enough['most']:.0f}, median {enough['median']:.0f}): found",
        "| " + " | ".join(rules) + " |",
        "|---" * 3 + "|",
        "| " + " | ".join(str(result.found[rule]) for rule in rules) + " |",
        "",
        f"equal challenger refused for any of {len(ORIGINS) + len(CARRIERS)} slices: {result.slices_refused}",
        f"challenger that is worse by {result.harm:.3f} of ROC AUC at one origin refused: {result.harm_found}",
        "",
        f"{CANDIDATES} candidates as good as the champion, any promoted:",
        *(f"  {rule}: {share}" for rule, share in result.candidates.items()),
    ]
    return "\n".join(lines)


def draw(result: Errors) -> None:
    """Equal models by metric and rule, and what is found by true gain."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.5, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    titles = {"roc_auc": "ROC AUC", "pr_auc": "PR AUC", "brier": "Brier score", "mae": "MAE"}
    for position, rule in enumerate((OURS, BY_ROWS, POINT)):
        known = [metric for metric in METRICS if rule in result.equal[metric]]
        shares = [result.equal[metric][rule] for metric in known]
        at = np.array([METRICS.index(metric) for metric in known]) + 0.27 * (position - 1)
        values = np.array([each.share for each in shares])
        spans = np.array([[each.share - each.low, each.high - each.share] for each in shares]).T
        left.bar(at, values, 0.25, yerr=spans, label=rule, color=f"C{position}", error_kw={"linewidth": 0.9})
        gains = np.array(SHARES) * result.min_effect
        powers = result.curve[rule]
        right.plot(gains, [each.share for each in powers], "o-", color=f"C{position}")
        right.fill_between(
            gains, [each.low for each in powers], [each.high for each in powers], color=f"C{position}", alpha=0.15
        )
    left.set_xticks(range(len(METRICS)), [titles[metric] for metric in METRICS])
    left.axhline(ALLOWED, color="grey", linewidth=0.8, linestyle="--")
    left.set_ylabel(f"equal models promoted\n({ALLOWED:.0%} are allowed, dashed)")
    right.axhline(POWER, color="grey", linewidth=0.8, linestyle="--")
    right.axvline(result.min_effect, color="grey", linewidth=0.8, linestyle=":")
    right.set_xlabel("true gain in ROC AUC (minimum effect dotted)")
    right.set_ylabel(f"promoted, on {result.days_said_to_be_enough['median']:.0f} days")
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_ylim(0, 1.02)
    figure.legend(*left.get_legend_handles_labels(), frameon=False, loc="outside upper center", ncols=3)
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(PICTURE, dpi=130)


def main() -> int:
    """Measure, print, draw."""
    started = time.perf_counter()
    result = measure()
    print(table(result))
    draw(result)
    print(f"\npicture: {PICTURE.relative_to(Path.cwd()) if PICTURE.is_relative_to(Path.cwd()) else PICTURE}")
    print(json.dumps({**asdict(result), "seconds": round(time.perf_counter() - started, 1)}))
    wrong = failures(result)
    for told in wrong:
        print(f"BROKEN PROMISE: {told}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
