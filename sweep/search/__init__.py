"""A study's search: which warm-up is the best for a network, by Optuna on Ray Tune.

settings → space → ask and tell (Optuna's storage) → tuner → evaluation → summary: a plan like any
other
"""
