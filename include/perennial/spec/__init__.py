"""The spec of a use case: its models, the names it may use, and the reading of its files."""
