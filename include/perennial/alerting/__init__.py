"""Alerts: what stands, what of it is news to whom, and how it is told and delivered."""
