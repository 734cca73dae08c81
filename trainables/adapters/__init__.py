"""Trials as Ray runs them: the only files here that know Ray."""
