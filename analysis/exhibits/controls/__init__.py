"""Is it warm-up? What each way of taking a part of it away has left of its effect."""
