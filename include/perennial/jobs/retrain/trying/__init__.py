"""How a candidate is tried: in a process of its own, loaded in a fresh one, and shown in pictures."""
