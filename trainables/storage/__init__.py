"""Where records, warm-ups and checkpoints lie: a folder or an object store."""
