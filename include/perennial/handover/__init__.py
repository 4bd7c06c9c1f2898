"""Handing work over to other tools and taking it back."""
