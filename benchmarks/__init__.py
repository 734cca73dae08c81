"""What things cost, in ratios within one run."""
