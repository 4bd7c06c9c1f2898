"""A card as tests read it."""

from perennial.card.statements import ModelCard, Statement


def statement(card: ModelCard, section: str, name: str) -> Statement:
    """The first statement of that name."""
    return next(each for each in card.section(section).statements if each.name == name)


def texts(card: ModelCard, section: str) -> list[str]:
    """Everything that a section states."""
    return [each.text for each in card.section(section).statements]
