"""Where a launch keeps its files: the place, its locks, what can be removed."""
