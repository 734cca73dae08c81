"""MLflow: the client, what is published, by whom, and how a study stands."""
