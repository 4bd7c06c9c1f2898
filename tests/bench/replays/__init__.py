"""Recorded data with a time order, lived through again by the jobs of production on stores in memory."""
