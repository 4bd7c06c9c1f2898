"""Model bytes under their digest, until a model is registered."""
