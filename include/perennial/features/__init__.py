"""From rows to model input."""
