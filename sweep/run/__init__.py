"""One launch of a plan: what is left of it, how far it is, how it ends."""
