"""Perennial: batch prediction and retraining that nothing falls out of."""

__version__ = "0.1.0"
