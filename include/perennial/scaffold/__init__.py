"""A first use case, written from what its data look like."""
