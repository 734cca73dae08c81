"""Ray: the connection, what it may use, the trials that it runs."""
