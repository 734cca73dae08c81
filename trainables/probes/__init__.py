"""Measurements of the live network; `trainables.config.probes` has their names and moments."""
