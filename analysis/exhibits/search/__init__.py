"""What a search has found, and whether it holds on fresh seeds."""
