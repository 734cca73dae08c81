"""Imported by the process that the commands are forks of."""

from forked import preload

preload()
