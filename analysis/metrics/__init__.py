"""What a network's predictions say: pure functions of NumPy arrays, one file per question.

`classification` (logits to probabilities, accuracy, likelihood), `calibration` (confidence against
accuracy) and `ood` (in-distribution against out-of-distribution scores). Nothing here trains,
reads a file or draws a random number; sums are taken in float64 whatever comes in. Input of which
no truthful number can be made, such as NaN, raises `ValueError`.
"""
