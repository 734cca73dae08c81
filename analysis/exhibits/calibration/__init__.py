"""Is a network's confidence its accuracy? Per pair, per bin, by size and time, after the fact."""
