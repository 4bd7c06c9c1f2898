"""What the columns of a window look like, in a form that is small, is kept for every window, and merges."""
