"""What the numbers say: metrics, statistics, reading MLflow, tables, figures, the report."""
