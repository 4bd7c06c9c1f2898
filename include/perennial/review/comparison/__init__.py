"""What is different between two windows, two models, or two revisions of a window: ranked, then in detail."""
