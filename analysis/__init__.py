"""What the numbers say: metrics, statistics, reading MLflow, tables, figures, the report."""

from analysis.process.imports import installed_first

installed_first()
