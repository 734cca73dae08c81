"""From MLflow to values: plans, records and their numbers."""
