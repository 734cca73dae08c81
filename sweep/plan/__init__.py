"""From a study file to its trials: values only, nothing is looked at."""
