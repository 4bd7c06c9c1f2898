"""A model card as one HTML file that needs no other, to be read, kept and printed."""

from importlib.resources import files

from jinja2 import Environment, StrictUndefined

from perennial.card.statements import ModelCard, cell, instant, sources


def as_html(card: ModelCard) -> str:
    """The card as a page; every value is escaped, and every statement has the number of its source."""
    template = files("perennial.card").joinpath("card.html").read_text("utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"cell": cell, "instant": instant}
    named = sources(card)
    numbers = {source: number for number, source in enumerate(named, 1)}
    return environment.from_string(template).render(card=card, sources=named, numbers=numbers)
