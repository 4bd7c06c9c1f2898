"""What happened to the model, as marks: each has a shape, a title and a word."""

from markupsafe import escape

from perennial.pages.words import instant
from perennial.review.timeline import Change, Event

WORDS: dict[Change, str] = {
    Change.FIRST_MODEL: "first model",
    Change.NEW_MODEL: "new model",
    Change.ROLLBACK: "rolled back",
    Change.RETRAINING: "retraining decided",
    Change.REJECTED: "candidate rejected",
}
# Around (0, 0), 10 pixels wide: an arrow up, a star-like plus, an arrow back, a diamond, a cross.
_SHAPES: dict[Change, str] = {
    Change.FIRST_MODEL: "M-5,-1.5h3.5v-3.5h3v3.5h3.5v3h-3.5v3.5h-3v-3.5h-3.5z",
    Change.NEW_MODEL: "M0,-5L5,4.5H-5z",
    Change.ROLLBACK: "M-5,0L4.5,-5V5z",
    Change.RETRAINING: "M0,-5.5L5.5,0L0,5.5L-5.5,0z",
    Change.REJECTED: "M-4.5,-3L-3,-4.5L0,-1.5L3,-4.5L4.5,-3L1.5,0L4.5,3L3,4.5L0,1.5L-3,4.5L-4.5,3L-1.5,0z",
}


def event_word(event: Event) -> str:
    """What happened, and to which version."""
    return WORDS[event.change] + (f", version {event.version}" if event.version else "")


def mark(event: Event, x: float, y: float, zone: str) -> str:
    """The event's shape at that place, with a title; a link to the list of events."""
    title = f"{instant(event.at, zone)}: {event_word(event)}. {' '.join(event.reasons)}"
    return (
        f'<a href="#events" tabindex="-1"><title>{escape(title)}</title>'
        f'<path class="event {event.change}" transform="translate({x:.1f} {y:.1f})" d="{_SHAPES[event.change]}"/></a>'
    )


def shape(change: Change) -> str:
    """The bare shape, for keys and tables, as the inside of an SVG of 12 by 12 pixels."""
    return f'<path class="event {change}" transform="translate(6 6)" d="{_SHAPES[change]}"/>'
