"""What every command has: an end in one line, output that may break, a home, its own modules."""
