"""The axes of a histogram: what its bars stand for, below them, and how tall the tallest is, beside it."""

from collections.abc import Iterator, Sequence

from markupsafe import escape

from perennial.pages.words import share

LEFT, BELOW = 38.0, 15.0  # pixels that the labels take beside and below the bars
CHARACTER, CAPITAL = 6.4, 8.4  # pixels
LONGEST, SHORTEST = 12, 3  # characters of a label
LEAST_ROUNDED = 0.095  # shares from here on are written without decimals


def levels(highest: float, floor: float, width: float, tall: float) -> str:
    """The tallest share at its height, and nothing at the `floor`, left of bars that are up to `tall` pixels tall."""
    top = floor - tall
    return (
        f'<text x="{LEFT - 4:.0f}" y="{top + 9:.0f}" text-anchor="end">{_rounded(highest)}</text>'
        f'<text x="{LEFT - 4:.0f}" y="{floor:.0f}" text-anchor="end">0</text>'
        f'<path class="grid" d="M{LEFT - 3:.0f} {top + 0.5:.1f}h3M{LEFT:.0f} {floor:.1f}h{width:.0f}"/>'
    )


def _rounded(highest: float) -> str:
    return f"{100 * highest:.0f}%" if highest >= LEAST_ROUNDED else share(highest)


def below(labels: Sequence[str], heights: Sequence[float], each: float, y: float) -> str:
    """What the bars of the width `each` stand for, by the labels that `perennial.drift.measures` gives them.

    Numbers stand at the edges between bars, names below their bar. Where there is not room for all, the outermost
    numbers and the names of the tallest bars are written; every bar has its label as its title.
    """
    width = each * len(labels)
    drawn: list[tuple[float, float]] = []
    texts = []
    for middle, text, room in _wanted(labels, heights, each):
        half = _wide(text) / 2
        at = min(max(middle, half), width - half) if room else middle
        start, end = at - half, at + half
        if start < -LEFT or end > width + 2 or any(start < last and end > first for first, last in drawn):
            continue
        drawn.append((start - 5, end + 5))
        texts.append(f'<text x="{LEFT + at:.1f}" y="{y:.0f}" text-anchor="middle">{escape(text)}</text>')
    return "".join(texts)


def _wide(text: str) -> float:
    """About how many pixels a text takes."""
    return sum(CAPITAL if each.isupper() else CHARACTER for each in text)


def _wanted(labels: Sequence[str], heights: Sequence[float], each: float) -> Iterator[tuple[float, str, bool]]:
    """The middle of each label and its text, the most important first, and whether it may be moved to fit."""
    edges = [(position + 1, end) for position, label in enumerate(labels) if (end := interval_end(label))]
    if edges:
        order = [edges[0], edges[-1], edges[len(edges) // 2], *edges]
        yield from ((position * each, end, False) for position, end in order)
    named = [position for position, label in enumerate(labels) if not _is_interval(label)]
    for position in sorted(named, key=lambda at: -heights[at]):
        text = labels[position]
        most = max(SHORTEST, min(LONGEST, int(each / CHARACTER))) if len(named) > 1 else LONGEST
        yield (position + 0.5) * each, text if len(text) <= most else f"{text[: most - 1]}…", True


def _is_interval(label: str) -> bool:
    return label.startswith(("up to ", "above ")) or " to " in label


def interval_end(label: str) -> str:
    """Where an interval ends, "" where it has no end or is none."""
    return label.rpartition(" ")[2] if label.startswith("up to ") or " to " in label else ""
