"""An entity is erased: found in every store, removed from what is live, and then from the past."""
