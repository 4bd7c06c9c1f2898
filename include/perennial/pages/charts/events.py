"""What happened to the model, as marks: each has a shape, a title and a word."""

from markupsafe import escape

from perennial.pages.words import instant
from perennial.review.events import Change, Event

WORDS: dict[Change, str] = {
    Change.FIRST_MODEL: "first model",
    Change.NEW_MODEL: "new model",
    Change.ROLLBACK: "rolled back",
    Change.SHADOW: "shadow begun",
    Change.CANARY: "canary",
    Change.STOPPED: "roll-out stopped",
    Change.WITHDRAWN: "canary rolled back",
    Change.RETRAINING: "retraining decided",
    Change.REJECTED: "candidate rejected",
}
# Around (0, 0), 10 pixels wide: a plus, an arrow up, an arrow back, a ring, half a disc, a square, an arrow back to
# a bar, a diamond, a cross.
_SHAPES: dict[Change, str] = {
    Change.FIRST_MODEL: "M-5,-1.5h3.5v-3.5h3v3.5h3.5v3h-3.5v3.5h-3v-3.5h-3.5z",
    Change.NEW_MODEL: "M0,-5L5,4.5H-5z",
    Change.ROLLBACK: "M-5,0L4.5,-5V5z",
    Change.SHADOW: "M-5,0a5,5 0 1 0 10,0a5,5 0 1 0 -10,0M-2.5,0a2.5,2.5 0 1 1 5,0a2.5,2.5 0 1 1 -5,0",
    Change.CANARY: "M-5,2.5a5,5 0 0 1 10,0z",
    Change.STOPPED: "M-4,-4h8v8h-8z",
    Change.WITHDRAWN: "M-5.5,-5h2v10h-2zM-3,0L5,-5V5z",
    Change.RETRAINING: "M0,-5.5L5.5,0L0,5.5L-5.5,0z",
    Change.REJECTED: "M-4.5,-3L-3,-4.5L0,-1.5L3,-4.5L4.5,-3L1.5,0L4.5,3L3,4.5L0,1.5L-3,4.5L-4.5,3L-1.5,0z",
}


def event_word(event: Event) -> str:
    """What happened, and to which version."""
    share = f" at {event.share}%" if event.share is not None else ""
    return WORDS[event.change] + share + (f", version {event.version}" if event.version else "")


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
