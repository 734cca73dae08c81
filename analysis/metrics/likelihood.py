"""Calibrations fitted by likelihood, and what keeps each from being surer than its examples are.

    fit_temperature_nll        softmax(z/T)                          Guo et al., ICML 2017
    fit_vector                 softmax(w·z + b)                      the same
    fit_vector_penalised       softmax(w·z + b), with a prior        ours
    fit_matrix                 softmax(W z + b), with ODIR           Kull et al., NeurIPS 2019
    fit_dirichlet              softmax(W ln p + b), with ODIR        the same
    fit_temperature_ensemble   a mixture with a temperature's        Zhang et al., ICML 2020
    fit_beta                   of the confidence alone               Kull et al., AISTATS 2017

Each takes logits (n, classes) and labels (n,), as `analysis.metrics.classification` has them, and
returns a calibration of `calibrations`. `NoOptimum`, a `ValueError`, where the likelihood has no
highest point. Nothing is random. For 5,000 logits of 10 classes each takes 0.01 to 0.1 s.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.metrics.calibrations import (
    Beta,
    Dirichlet,
    MatrixScaling,
    NoOptimum,
    Temperature,
    TemperatureEnsemble,
    VectorScaling,
)
from analysis.metrics.classification import confidence_and_correct, labelled, log_softmax, softmax

_ODIR_EXAMPLES = 5000.0  # λ = μ = 1 on the half of a test set of 10,000
_ITERATIONS = 200  # of L-BFGS; separable halves have no optimum, and would go on for ever
_ROUNDING = 8 * float(np.finfo(np.float64).eps)  # of a slope among numbers up to 1
_SMALLEST = float(np.finfo(np.float64).tiny)
_SCALE_SPREAD = 0.25  # of a log-scale about the temperature's: nearly all within a factor 1.6
_BIAS_SPREAD = 0.5  # of a bias about 0, nats


def fit_temperature_nll(logits: ArrayLike, labels: ArrayLike) -> Temperature:
    """The T > 0 with the highest likelihood (Guo et al., ICML 2017), to ten digits at any scale.

    The likelihood is concave in β = 1/T, so that its optimum is where the slope in β,
    Σ_k p_k·z_k − z_label in the mean, vanishes. `NoOptimum` where it never does: with every
    prediction right, the likelihood rises as T → 0; where the logits say less of the labels than
    none would, as T → ∞.
    """
    from scipy.optimize import brentq

    scores, classes = labelled(logits, labels)
    beyond = scores - scores[np.arange(classes.size), classes][:, np.newaxis]
    if beyond.max() <= 0:
        raise NoOptimum("labels are all predicted right: the lower T, the higher the likelihood")
    scale = float(np.abs(beyond).max())
    beyond /= scale

    def slope(beta: float) -> float:
        return float((softmax(beta * beyond) * beyond).sum(axis=1).mean())

    if slope(0.0) >= -_ROUNDING:
        raise NoOptimum("logits say nothing of the labels: the higher T, the higher the likelihood")
    low = high = 1.0
    while slope(low) >= 0:
        low, high = low / 2, low
    while slope(high) < 0:
        low, high = high, high * 2
    beta = brentq(slope, low, high, xtol=_SMALLEST, rtol=1e-12)  # type: ignore[no-untyped-call]
    return Temperature(scale / float(beta))


def fit_vector(logits: ArrayLike, labels: ArrayLike) -> VectorScaling:
    """Scale and bias per class by maximum likelihood from (1, 0), by L-BFGS (Guo et al. 2017).

    Where the classes can be parted without an error there is no optimum: then what is returned is
    what 200 iterations reach, surer than any calibration should be.
    """
    scores, classes = labelled(logits, labels)
    k = scores.shape[1]

    def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        scale, bias = parameters.reshape(2, k)
        nll, slope = _cross_entropy(scores * scale + bias, classes)
        return nll, np.concatenate([(slope * scores).sum(axis=0), slope.sum(axis=0)])

    scale, bias = _minimum(loss, np.repeat([1.0, 0.0], k)).reshape(2, k)
    return VectorScaling(scale, bias)


def fit_matrix(logits: ArrayLike, labels: ArrayLike) -> MatrixScaling:
    """W and b by penalised maximum likelihood, by L-BFGS from the best temperature, (I/T, 0).

    The penalty on W' = T·W and b, beside the mean cross-entropy of n examples in k classes, is
    ODIR, off-diagonal and intercept regularisation (Kull et al., NeurIPS 2019),

        λ/(k(k − 1)) · Σ_{i≠j} W'_ij² + μ/k · Σ_j b_j²,   λ = μ = 5000/n

    Kull et al. penalise W itself and cross-validate λ and μ. Here T takes the logits' scale out
    and the penalty is a prior of fixed weight, so that one λ serves any network and any n.
    `NoOptimum` where there is no such T.
    """
    scores, classes = labelled(logits, labels)
    temperature = fit_temperature_nll(scores, classes).temperature
    scores = scores / temperature
    k, weight = scores.shape[1], _ODIR_EXAMPLES / classes.size
    off_diagonal = (1 - np.eye(k)) / max(k * (k - 1), 1)
    strength = weight * np.hstack([off_diagonal, np.full((k, 1), 1 / k)])

    def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        weights = parameters.reshape(k, k + 1)  # the last column is b
        nll, slope = _cross_entropy(scores @ weights[:, :k].T + weights[:, k], classes)
        gradient = np.hstack([slope.T @ scores, slope.sum(axis=0)[:, np.newaxis]])
        penalty = float((strength * weights**2).sum())
        return nll + penalty, (gradient + 2 * strength * weights).ravel()

    likely = softmax(scores)
    squares = np.hstack([scores**2, np.ones((classes.size, 1))])
    # of few examples the penalty bends the loss far more than they do, and not on the diagonal
    curvature = (likely * (1 - likely)).T @ squares / classes.size + 2 * strength
    weights = _minimum(loss, np.eye(k, k + 1).ravel(), curvature.ravel()).reshape(k, k + 1)
    return MatrixScaling(weights[:, :k] / temperature, weights[:, k])


def fit_vector_penalised(logits: ArrayLike, labels: ArrayLike) -> VectorScaling:
    """Scale and bias per class, held near the best temperature by a prior; L-BFGS from there.

    With w_k = exp(s_k)/T, the mean cross-entropy of n examples and

        (1/n) Σ_k [s_k² / (2 · 0.25²) + b_k² / (2 · 0.5²)]

    which is a normal prior on log-scales and biases. A class with a hundred examples moves as
    freely as in `fit_vector`; one with none or few stays where the temperature puts it, instead of
    going off to where its examples are certain, and all others impossible. Scales stay positive,
    so that no class is turned about. The temperature takes the logits' scale out: logits ten times
    as large give the same probabilities.
    """
    scores, classes = labelled(logits, labels)
    temperature = fit_temperature_nll(scores, classes).temperature
    scores, k = scores / temperature, scores.shape[1]
    strength = 0.5 / classes.size / np.repeat([_SCALE_SPREAD**2, _BIAS_SPREAD**2], k)

    def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        log_scale, bias = parameters.reshape(2, k)
        scaled = scores * np.exp(log_scale)
        nll, slope = _cross_entropy(scaled + bias, classes)
        gradient = np.concatenate([(slope * scaled).sum(axis=0), slope.sum(axis=0)])
        penalty = float((strength * parameters**2).sum())
        return nll + penalty, gradient + 2 * strength * parameters

    log_scale, bias = _minimum(loss, np.zeros(2 * k)).reshape(2, k)
    return VectorScaling(np.exp(log_scale) / temperature, bias)


def fit_dirichlet(logits: ArrayLike, labels: ArrayLike) -> Dirichlet:
    """W and b on log-probabilities (Kull et al., NeurIPS 2019), with the penalty of `fit_matrix`.

    If the softmax of each class is Dirichlet-distributed, the calibrated probabilities are just of
    this form (their theorem 1). From matrix scaling it differs by what is common to an example's
    logits, which ln p leaves out and W z does not.
    """
    scores, classes = labelled(logits, labels)
    matrix = fit_matrix(log_softmax(scores), classes)
    return Dirichlet(matrix.weights, matrix.bias)


def fit_temperature_ensemble(logits: ArrayLike, labels: ArrayLike) -> TemperatureEnsemble:
    """T of the highest likelihood, then the likeliest mixture with the network's own and chance.

    Zhang, Kailkhura & Han, ICML 2020 (section 4.1), by likelihood throughout; theirs takes the
    squared error by default, and T first as well. The mixture's likelihood is concave in its
    weights: from T alone, by sequential quadratic programming on the simplex, the higher of start
    and end.
    """
    from scipy.optimize import minimize

    scores, classes = labelled(logits, labels)
    temperature = fit_temperature_nll(scores, classes).temperature
    alone = TemperatureEnsemble(temperature, np.array([1.0, 0.0, 0.0]))
    own = alone.parts(scores)[:, np.arange(classes.size), classes]  # of the labels, (3, n)
    largest = own.max(axis=0)
    likelihood = np.exp(own - largest)  # of which no column is 0

    def loss(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        mixed = np.maximum(weights @ likelihood, _SMALLEST)
        return -float(np.log(mixed).mean()), -(likelihood / mixed).mean(axis=1)

    outcome = minimize(  # type: ignore[no-untyped-call]  # SciPy has no types
        loss,
        np.full(3, 1 / 3),
        jac=True,
        method="SLSQP",
        bounds=[(0, 1)] * 3,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1, "jac": np.ones_like},
        options={"ftol": 1e-12, "maxiter": _ITERATIONS},
    )
    weights = np.clip(outcome.x, 0, None)
    weights /= weights.sum()
    if loss(weights)[0] > loss(alone.weights)[0]:
        return alone
    return TemperatureEnsemble(temperature, weights)


def fit_beta(logits: ArrayLike, labels: ArrayLike) -> Beta:
    """a, b ≥ 0 and c of the likeliest rising beta map of the confidence, from (1, 1, 0).

    Kull, Silva Filho & Flach, AISTATS 2017, for "the prediction is right", whose three parameters
    a logistic regression finds; a negative slope is 0 instead. The identity is among the maps, as
    it is not of Platt's. `NoOptimum` where some confidence parts all right predictions from all
    wrong ones, or where there are only the ones or the others.
    """
    from scipy.optimize import minimize

    correct = confidence_and_correct(logits, labels)[1]
    if correct.all() or not correct.any():
        raise NoOptimum("labels are all predicted alike, right or wrong: nothing bounds confidence")
    features = Beta.features(logits)
    # ordered by ln s − ln(1 − s), which still tells apart what rounds to a confidence of 1
    odds = features.sum(axis=1)
    if odds[~correct].max() <= odds[correct].min() and np.ptp(odds) > 0:
        raise NoOptimum("labels are right above some confidence and wrong below: no slope is best")
    size = np.maximum(np.abs(features).max(axis=0), _SMALLEST)
    scaled, sign = features / size, np.where(correct, 1.0, -1.0)

    def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        margin = sign * (scaled @ parameters[:2] + parameters[2])
        slope = -sign * np.exp(-np.logaddexp(0, margin)) / sign.size
        gradient = np.append(slope @ scaled, slope.sum())
        return float(np.logaddexp(0, -margin).mean()), gradient

    outcome = minimize(  # type: ignore[no-untyped-call]  # SciPy has no types
        loss,
        np.append(size, 0.0),
        jac=True,
        method="L-BFGS-B",
        bounds=[(0, None), (0, None), (None, None)],
        options={"maxiter": 10 * _ITERATIONS, "ftol": 1e-14, "gtol": 1e-9},
    )
    a, b = outcome.x[:2] / size
    return Beta(float(a), float(b), float(outcome.x[2]))


def _cross_entropy(
    scores: NDArray[np.float64], classes: NDArray[np.integer]
) -> tuple[float, NDArray[np.float64]]:
    """Mean cross-entropy and its gradient with respect to the scores, (softmax − one-hot) / n."""
    log_probabilities = log_softmax(scores)
    own = np.arange(classes.size), classes
    nll = -float(log_probabilities[own].mean())
    slope = np.exp(log_probabilities)
    slope[own] -= 1
    return nll, slope / classes.size


def _minimum(
    loss: Callable[[NDArray[np.float64]], tuple[float, NDArray[np.float64]]],
    start: NDArray[np.float64],
    curvature: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Where a smooth function, given with its gradient, is lowest; never above its start.

    curvature: about the second derivative by each parameter at the start; the search is in units in
    which all are 1, and arrives in tens of steps where hundreds were not enough.
    """
    from scipy.optimize import minimize

    known = np.ones_like(start) if curvature is None else curvature
    unit = 1 / np.sqrt(np.maximum(known, 1e-6 * known.max()))  # some may have no slope at all

    def scaled(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        value, gradient = loss(parameters * unit)
        return value, gradient * unit

    outcome = minimize(  # type: ignore[no-untyped-call]  # SciPy has no types
        scaled,
        start / unit,
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": _ITERATIONS, "ftol": 1e-10},
    )
    parameters: NDArray[np.float64] = outcome.x * unit
    return parameters
