"""Which trials, where and when: studies, plan, Ray, MLflow, the command line."""
