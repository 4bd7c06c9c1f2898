"""Marks over cells, so that a state is told by a shape, too: a cross, a slash, a dash, a tick; good cells have none."""

from collections.abc import Iterator
from dataclasses import dataclass, field

MOST = 10.0  # pixels that a mark takes
SHAPES = {"fail": "cross", "warn": "slash", "overdue": "due", "little": "dash", "now": "tick"}


@dataclass(frozen=True)
class Marks:
    """The marks of a drawing, all of a shape in one path."""

    paths: dict[str, list[str]] = field(default_factory=dict)

    def add(self, kind: str, x: float, y: float, width: float, height: float) -> None:
        """The mark that belongs to a class of cells, in the middle of the cell."""
        shape = SHAPES.get(kind)
        if shape is None:
            return
        half = min(width, height, MOST) / 2 - 1
        across, down = x + width / 2, y + height / 2
        left, top, size = across - half, down - half, 2 * half
        strokes = {
            "cross": f"M{left:.1f},{top:.1f}l{size:.1f},{size:.1f}m{-size:.1f},0l{size:.1f},{-size:.1f}",
            "slash": f"M{left:.1f},{down + half:.1f}l{size:.1f},{-size:.1f}",
            "due": f"M{left:.1f},{down + half:.1f}l{size:.1f},{-size:.1f}",
            "dash": f"M{left:.1f},{down:.1f}h{size:.1f}",
            "tick": f"M{across:.1f},{top:.1f}v{size:.1f}",
        }
        self.draw(shape, strokes[shape])

    def draw(self, shape: str, stroke: str) -> None:
        """Another stroke of a shape."""
        self.paths.setdefault(shape, []).append(stroke)

    def drawn(self) -> Iterator[str]:
        """The paths, to be drawn after the cells."""
        for shape, strokes in self.paths.items():
            yield f'<path class="{shape}" d="{"".join(strokes)}"/>'
