"""What a network's predictions say: pure functions of NumPy arrays, one file per question.

From logits: `classification` (probabilities, accuracy, likelihood), `ood_scores` (how familiar an
input looks), `posthoc` (calibrating afterwards; `likelihood` has its fits by likelihood and
`calibrations` what is fitted), `conformal` (prediction sets). Of confidence and correctness:
`calibration`, `debiased` and `smooth` (errors), `chance` (what a calibrated network would show),
`calibration_tests`, `corp` (reliability without bins, parts of a score), `selective` (declining to
answer). Of probabilities and labels: `probabilistic`. Of the scores of two sets: `ood`; as another
benchmark counts, `openood`; where the class must be right too, `open_set`. Of penultimate features:
`ood_feature_scores`. Of sets, class by class and slice by slice: `conformal_classes` and
`worst_slice`. `docs/measures.md` says what each is good for.

Nothing here trains or reads a file; random numbers come only from a seed that is given; sums are
taken in float64 whatever comes in. Input of which no truthful number can be made, such as NaN,
raises `ValueError`.
"""
