"""The model card of a deployed version: statements that each name what they come from, and a bill of materials."""
