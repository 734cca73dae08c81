"""Whether a user's network can be trained at all: tried in miniature beforehand."""
