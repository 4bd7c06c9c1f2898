"""How good predictions were, by the outcomes that came later."""
