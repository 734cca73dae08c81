"""A study's search: which warm-up is the best for a network, by Optuna on Ray Tune.

section → space → proposals (store) → trials on Ray → verdict → outcome: a plan like any other
"""
