"""From exhibits to files: tables, figures, the page, the index, the findings."""
