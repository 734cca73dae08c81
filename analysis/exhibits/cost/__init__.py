"""What warm-up costs, and how much of it is needed."""
