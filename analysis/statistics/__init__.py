"""Comparisons of paired trials, and what theory says of them."""
