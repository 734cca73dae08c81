"""A trial from its network to its record: warm-up, task, checkpoints."""
