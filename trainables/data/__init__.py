"""Data sets: one source of examples a file, and what they have in common."""
