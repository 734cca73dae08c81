"""Every public function of the metrics and the statistics refuses what has no truthful answer.

`RIGHT` has a call of each that works. Each of its arguments is replaced, by turns, by what must not
be taken: `WRONG` says by name what that is and what is said of it, and `OF_ITS_OWN` of which
function it is another. The functions and their parameters are found by looking: a new one fails
here until it has its line, and its checks.
"""

import importlib
import inspect
import pkgutil
import re
import time
from itertools import product

import numpy as np
import pytest
from studies import Spec, make_results

import analysis.metrics
from analysis.metrics import calibration, classification, ood_scores, probabilistic
from analysis.statistics import comparison, equivalence, theory
from analysis.statistics import paired as stats
from analysis.statistics.comparison import ECE

LOGITS = np.random.default_rng(0).normal(size=(8, 3))
LABELS = np.array([0, 1, 2, 0, 1, 2, 0, 1])
PROBABILITIES = classification.softmax(LOGITS)
CONFIDENCE = PROBABILITIES.max(axis=1)
CORRECT = np.array([1, 0, 1, 1, 0, 1, 0, 1])
FEATURES = np.random.default_rng(1).normal(size=(8, 4))
SCORES = np.random.default_rng(2).normal(size=8)
SETS = PROBABILITIES > 0.3

HITS = {"confidence": CONFIDENCE, "correct": CORRECT}
LABELLED = {"logits": LOGITS, "labels": LABELS}
MOSTLY_RIGHT = LABELLED | {"labels": LOGITS.argmax(axis=1) * (CORRECT > 0)}
FORECAST = {"probabilities": PROBABILITIES, "labels": LABELS}
DETECTED = {"id_scores": SCORES, "ood_scores": SCORES - 1}
BINNED = HITS | {"bins": 10}
CALIBRATED = {"calibration_scores": SCORES, "labels": LABELS, "classes": 3, "alpha": 0.2}
TRAINED = {"features": FEATURES, "training_features": FEATURES}
LAYER = {"weight": np.eye(3, 4), "bias": np.ones(3)}
MLP = {"mean_square": [0.5, 1.0], "classes": 3, "depth": 3, "width": 16}

RIGHT = {
    "calibration.reliability_diagram": BINNED,
    "calibration.bin_of": {"confidence": CONFIDENCE, "bins": 10},
    "calibration.expected_calibration_error": BINNED | {"representative": "mean"},
    "calibration.maximum_calibration_error": BINNED,
    "calibration.equal_mass_calibration_error": BINNED,
    "calibration.calibration_gap": HITS,
    "calibration.risk_coverage_curve": HITS,
    "calibration.aurc": HITS,
    "calibration_tests.spiegelhalter_test": HITS,
    "calibration_tests.cumulative_errors": HITS,
    "calibration_tests.kolmogorov_smirnov_test": HITS,
    "calibration_tests.kuiper_test": HITS,
    "chance.chance_calibration_error": {
        "confidence": CONFIDENCE, "bins": 10, "draws": 10, "seed": 0,
    },
    "classification.log_softmax": {"logits": LOGITS},
    "classification.softmax": {"logits": LOGITS},
    "classification.confidence_and_correct": LABELLED,
    "classification.accuracy": LABELLED,
    "classification.negative_log_likelihood": LABELLED,
    "classification.labelled": LABELLED,
    "conformal.lac_scores": {"probabilities": PROBABILITIES},
    "conformal.aps_scores": {"probabilities": PROBABILITIES, "u": 1.0},
    "conformal.raps_scores": {
        "probabilities": PROBABILITIES, "u": np.full(8, 0.5), "penalty": 0.01, "k_reg": 5,
    },
    "conformal.conformal_quantile": {"calibration_scores": SCORES, "alpha": 0.2},
    "conformal.prediction_sets": {"scores": LOGITS, "quantile": 0.2},
    "conformal.p_values": {"calibration_scores": SCORES, "scores": SCORES},
    "conformal.covered": {"sets": SETS, "labels": LABELS},
    "conformal.coverage": {"sets": SETS, "labels": LABELS},
    "conformal.mean_set_size": {"sets": SETS},
    "conformal.size_stratified_violation": {"sets": SETS, "labels": LABELS, "alpha": 0.1},
    "split_conformal.conformal_prediction": LABELLED
    | {"ood_logits": LOGITS, "alphas": (0.2, 0.4), "seed": 0},
    "corp.corp_curve": HITS,
    "corp.consistency_band": {"confidence": CONFIDENCE, "level": 0.9, "draws": 10, "seed": 0},
    "corp.score_decomposition": HITS | {"score": "log"},
    "debiased.debiased_squared_error": BINNED,
    "debiased.debiased_l2_error": BINNED,
    "likelihood.fit_temperature_nll": MOSTLY_RIGHT,
    "likelihood.fit_vector": LABELLED,
    "likelihood.fit_vector_penalised": MOSTLY_RIGHT,
    "likelihood.fit_matrix": MOSTLY_RIGHT,
    "likelihood.fit_dirichlet": MOSTLY_RIGHT,
    "likelihood.fit_temperature_ensemble": MOSTLY_RIGHT,
    "likelihood.fit_beta": MOSTLY_RIGHT,
    "conformal_classes.class_quantiles": CALIBRATED,
    "conformal_classes.class_clusters": CALIBRATED | {"clusters": 2, "seed": 0},
    "conformal_classes.clustered_quantiles": CALIBRATED
    | {"seed": 0, "clusters": 2, "clustering_share": 0.5},
    "conformal_classes.class_prediction_sets": {"scores": LOGITS, "quantiles": [0.1, 0.2, np.inf]},
    "conformal_classes.covgap": {"sets": SETS, "labels": LABELS, "alpha": 0.1},
    "conformal_classes.covgap_by_chance": {"labels": LABELS, "alpha": 0.1},
    "ood.auroc": DETECTED,
    "ood.aupr_in": DETECTED,
    "ood.aupr_out": DETECTED,
    "ood.fpr_at_tpr": DETECTED | {"tpr": 0.95},
    "ood.roc_curve": DETECTED,
    "detection.tuned_detection": {
        "candidates": {None: (SCORES, SCORES)}, "seed": 0, "correct": CORRECT,
    },
    "ood_feature_scores.relative_mahalanobis": TRAINED | {"training_labels": LABELS},
    "ood_feature_scores.she": TRAINED | LAYER
    | {"training_labels": (FEATURES @ np.eye(3, 4).T).argmax(axis=1)},
    "ood_feature_scores.fdbd": TRAINED | LAYER,
    "ood_feature_scores.nnguide": TRAINED | LAYER | {"k": 2},
    "open_set.oscr": DETECTED | {"correct": CORRECT},
    "open_set.oscr_curve": DETECTED | {"correct": CORRECT},
    "openood.openood_fpr": DETECTED | {"tpr": 0.95},
    "openood.openood_aupr_in": DETECTED,
    "openood.openood_aupr_out": DETECTED,
    "ood_scores.msp": {"logits": LOGITS, "temperature": 2.0},
    "ood_scores.energy": {"logits": LOGITS, "temperature": 2.0},
    "ood_scores.max_logit": {"logits": LOGITS},
    "ood_scores.negative_entropy": {"logits": LOGITS},
    "ood_scores.gen": {"logits": LOGITS, "gamma": 0.1, "largest": 2},
    "ood_scores.ood_detection": {
        "id_logits": LOGITS, "ood_logits": LOGITS, "seed": 0, "correct": CORRECT,
    },
    "ood_scores.mahalanobis": {
        "features": FEATURES, "training_features": FEATURES, "training_labels": LABELS,
    },
    "ood_scores.nearest_neighbour": {
        "features": FEATURES, "training_features": FEATURES, "k": 2,
    },
    "ood_scores.vim": {
        "features": FEATURES, "training_features": FEATURES,
        "weight": np.ones((3, 4)), "bias": np.ones(3), "dimension": 2,
    },
    "ood_scores.unit_length": {"rows": FEATURES},
    "posthoc.fit_none": LABELLED,
    "posthoc.fit_temperature": LABELLED,
    "posthoc.fit_isotonic": LABELLED,
    "posthoc.fit_histogram": LABELLED,
    "posthoc.posthoc_calibration": LABELLED | {"seed": 0},
    "probabilistic.classwise_calibration_error": FORECAST | {"bins": 10},
    "probabilistic.brier_score": FORECAST,
    "probabilistic.brier_decomposition": FORECAST | {"bins": 10},
    "selective.augrc": HITS,
    "selective.excess_aurc": HITS,
    "selective.risk_at_coverage": HITS | {"coverage": 0.5},
    "selective.coverage_at_risk": HITS | {"risk": 0.2},
    "shift.calibration_under_shift": {
        "clean": LOGITS, "shifted": np.broadcast_to(LOGITS, (10, 5, *LOGITS.shape)),
        "labels": LABELS, "temperature": 2.0,
    },
    "smooth.smooth_ece": HITS | {"bandwidth": 0.1},
    "stats.paired_test": {"without": SCORES, "with_": SCORES + CORRECT},
    "stats.unpaired_test": {"first": SCORES, "second": SCORES + 1},
    "stats.smallest_p": {"pairs": 6},
    "stats.smallest_exact_p": {"pairs": 6},
    "stats.holm": {"p_values": [0.1, None, 0.2]},
    "stats.benjamini_hochberg": {"p_values": [0.1, None, 0.2]},
    "equivalence.mean_equivalence": {"differences": SCORES, "margin": 0.5, "alpha": 0.05},
    "stats.mean_interval": {"differences": SCORES, "confidence": 0.95},
    "stats.ratio_interval": {"part": SCORES, "whole": SCORES + 9, "confidence": 0.95},
    "theory.uniform_confidence": {"classes": 3},
    "theory.uniform_loss": {"classes": 3},
    "theory.predict": MLP,
    "theory.initial_confidence": MLP,
    "theory.expected_confidence": {"variances": [0.5, 1.0], "classes": 3},
    "theory.logit_probability": {
        "below": [0.0, 1.0], "mean_square": [0.5, 1.0], "depth": 3, "width": 16,
    },
    "theory.width_factors": {"depth": 3, "width": 16},
    "theory.logit_variance_bounds": {"mean_square": [0.5], "classes": 3, "depth": 3},
    "worst_slice.worst_slice_coverage": {
        "sets": SETS, "labels": LABELS, "features": FEATURES, "seed": 0,
        "mass": 0.9, "directions": 5, "searched": 0.5,
    },
}  # fmt: skip


def wrong(said, *values):
    """Values with what is said of them."""
    return tuple((value, said) for value in values)


FINITE = "contains NaN or infinity: has the network diverged?"
NO_ARRAY = (
    *wrong("non-empty", []),
    *wrong(FINITE, [np.nan], [np.inf], [-np.inf]),
    *wrong("must be real numbers", ["a"], [1j], None),
    *wrong("must be an array of numbers", [[1.0], [1.0, 2.0]]),
)
NO_VECTOR = NO_ARRAY + wrong(r"must be a non-empty vector, not \(", [[0.5]], 0.5)
MATRIX = r"must be a non-empty \((n|classes), (classes|width)\) array, not "
NO_MATRIX = (
    *NO_ARRAY,
    *wrong(rf"{MATRIX}\(1,\)", [0.5]),
    *wrong(rf"{MATRIX}\(0, 3\)", np.empty((0, 3))),
    *wrong(FINITE, [[np.nan, 0.0]], [[0.0, -np.inf]]),
)
FOUR_WIDE = wrong("features are [24] wide, training_features [24]", FEATURES[:, :2])
UNIT = r"must lie in \[0, 1\], not \["
NO_DISTRIBUTION = (
    *NO_MATRIX,
    *wrong(UNIT, LOGITS, [[1.5, -0.5]]),
    *wrong("each row of probabilities must sum to 1, one is off by 0.1", [[0.5, 0.4]]),
    *wrong("each row of probabilities must sum to 1, one is off by 1", [[1, 1]]),
)
NO_NEW_LABELS = (
    *wrong(r"must be \(8,\), one for each row, not \(", [], [0], LABELS[:, None], None),
    *wrong("must be integer class ids, not float64", LABELS + 0.0),
    *wrong(r"must lie in 0\.\.\d+, not -1\.\.1", LABELS - 1),
)
NO_LABELS = (
    *NO_NEW_LABELS,
    *wrong("must be integer class ids, not <U1", ["a"] * 8),
    *wrong(r"must lie in 0\.\.2, not 1\.\.3", LABELS + 1),
)
NO_COUNT = wrong(
    "must be a whole number (of at least 1|in 1..[38]), not ",
    *(0, -1, 2.5, 10.0, np.nan, np.inf, True, "3", None),
)
NO_FRACTION = wrong(
    r"must lie in \(0, 1\), not ", 0, 1, -0.1, 95, np.nan, np.inf, True, "0.5", None
)
NO_SEED = wrong("must be a whole number of at least 0, not ", -1, 0.5, np.nan, "1", None)
NO_SQUARES = NO_VECTOR + wrong("must be at least 0, not -0.5", [-0.5])
SHORT = wrong("must be of one length, not [18] and [18]", [1.0])
CLASSES = "ood_logits must have [23] classes as the others, not [234]"

WRONG = {
    "level": NO_FRACTION,
    "confidence": NO_VECTOR + wrong(UNIT, [1.1] * 8, [1.0000001] * 8, [-0.1] * 8),
    "correct": (
        *NO_ARRAY[:-1],
        *wrong(r"correct must be a vector of length 8, not \(", [[0.5]], 0.5, [1, 0]),
        *wrong("correct must be boolean or 0/1", CORRECT + 1, CORRECT / 2),
    ),
    "bins": NO_COUNT,
    "representative": wrong("representative must be mean or midpoint, not ", "median", None),
    "logits": NO_MATRIX,
    "labels": NO_LABELS,
    "probabilities": NO_DISTRIBUTION,
    "u": (
        *wrong(r"u must be one number in \[0, 1\] or 8 of them", [0.5] * 7, 1.5, -0.1),
        *wrong(FINITE, np.nan),
        *wrong("u must be real numbers", None, "a"),
    ),
    "penalty": wrong("penalty must be at least 0 and finite", -0.1, np.nan, np.inf, "1", None),
    "k_reg": wrong("k_reg must be a whole number of at least 0", -1, 2.5, np.nan, True),
    "calibration_scores": NO_VECTOR,
    "alpha": NO_FRACTION,
    "alphas": wrong("alphas", ()) + wrong(NO_FRACTION[0][1], (0.1, 95), (0.0,), (np.nan,)),
    "scores": NO_ARRAY + wrong(FINITE, [[np.nan]]),
    "clean": NO_MATRIX,
    "shifted": NO_ARRAY + wrong(r"shifted must be \(10, 5, 8, 3\), as clean has it", LOGITS, 0.5),
    "clusters": NO_COUNT,
    "clustering_share": NO_FRACTION + wrong("of 8 labels leaves none", 0.01),
    "quantiles": (
        *wrong("must be numbers or infinity", [np.nan] * 3, [-np.inf] * 3, ["a"] * 3),
        *wrong(r"must be \(3,\), not \(", [0.1], [[0.1]] * 3, None),
    ),
    "mass": NO_FRACTION,
    "directions": NO_COUNT,
    "searched": NO_FRACTION,
    "rows": NO_MATRIX,
    "margin": wrong("must be positive and finite, not ", 0, -1.0, np.nan, np.inf, True, "2", None),
    "quantile": wrong("quantile must be a finite number, not ", np.nan, -np.inf, "1", None),
    "sets": (
        *wrong("sets must be a non-empty", SETS[:0], SETS[0], []),
        *wrong("sets must be a .*boolean", SETS.astype(float), None),
    ),
    "ood_logits": NO_MATRIX[:-1] + wrong(CLASSES, LOGITS[:, :2], np.ones((4, 4))),
    "id_logits": NO_MATRIX + wrong(CLASSES, LOGITS[:, :2]),
    "draws": NO_COUNT,
    "score": wrong("score must be ", "mean", None),
    "coverage": wrong(r"coverage must lie in \(0, 1\], not ", 0, 1.01, 95, np.nan, "1", None),
    "risk": wrong("risk must ", -0.1, 1.01, 95, np.nan, "1", None),
    "bandwidth": wrong("bandwidth must be ", 0, -1.0, 1e-4, np.nan, np.inf, True, "2", None),
    "seed": NO_SEED,
    "id_scores": NO_VECTOR,
    "ood_scores": NO_VECTOR,
    "tpr": wrong(r"tpr must lie in \(0, 1\], not ", 0, 1.01, 95, np.nan, "1", None),
    "candidates": (
        *wrong("candidates must hold at least one", {}),
        *wrong("ood_scores contains NaN", {1.0: ([1.0, 2.0], [0.0, np.nan])}),
        *wrong("ood_scores must be a non-empty vector", {1.0: (SCORES, [])}),
        *wrong("one collection of inputs, not 2", {1.0: ([1, 2], [0, 1]), 2.0: ([1], [0, 1])}),
        *wrong("one input cannot be split", {1.0: ([1], [0, 1])}),
    ),
    "temperature": wrong(
        "temperature must be positive and finite, not ", 0, -1.0, np.nan, np.inf, True, "2", None
    ),
    "gamma": NO_FRACTION,
    "largest": NO_COUNT,
    "features": NO_MATRIX + FOUR_WIDE,
    "training_features": NO_MATRIX + FOUR_WIDE,
    "training_labels": NO_NEW_LABELS,
    "k": NO_COUNT + wrong("k must be a whole number in 1..8, not 9", 9),
    "weight": NO_MATRIX + wrong(r"weight must be \(classes, 4\)", np.ones((3, 5))),
    "bias": NO_VECTOR + wrong(r"and bias \(classes,\)", np.ones(4)),
    "dimension": NO_COUNT[:-1] + wrong("dimension must be a whole number in 1..3, not 4", 4),
    "without": NO_VECTOR + SHORT,
    "with_": NO_VECTOR + SHORT,
    "first": NO_VECTOR,
    "second": NO_VECTOR,
    "pairs": NO_COUNT,
    "p_values": (
        *wrong(r"p_values must lie in \[0, 1\]", [1.1], [-0.1], [np.inf]),
        *wrong(r"p_values must be a vector, not \(1, 1\)", [[0.1]]),
        *wrong("p_values", ["a"], [[0.1], [0.1, 0.2]]),
    ),
    "differences": NO_VECTOR,
    "part": NO_VECTOR + SHORT,
    "whole": NO_VECTOR + SHORT,
    "classes": NO_COUNT,
    "depth": NO_COUNT,
    "width": NO_COUNT[:-1],
    "mean_square": NO_SQUARES,
    "variances": NO_ARRAY + wrong("must be at least 0, not -0.5", [-0.5]),
    "below": NO_ARRAY,
}

# of any shape that has an axis of classes
NO_LOGITS = NO_ARRAY + wrong("logits", 0.5) + wrong(FINITE, [[0.0, -np.inf]])
OF_ITS_OWN = {
    ("classification.softmax", "logits"): NO_LOGITS,
    ("classification.log_softmax", "logits"): NO_LOGITS,
    ("stats.mean_interval", "confidence"): NO_FRACTION,
    ("conformal_classes.covgap_by_chance", "labels"): (
        *wrong(r"must be \([18],\), one for each row, not \(", [], LABELS[:, None], None),
        *wrong("must be integer class ids, not ", LABELS + 0.0, ["a"] * 8),
        *wrong(r"must lie in 0\.\.\d+, not -1\.\.1", LABELS - 1),
    ),
    ("conformal_classes.class_prediction_sets", "scores"): NO_MATRIX
    + wrong(r"must be \(2,\), not \(3,\)", LOGITS[:, :2]),
    ("worst_slice.worst_slice_coverage", "features"): NO_MATRIX
    + wrong("must be of one length, not 8 and 3", FEATURES[:3]),
    ("stats.ratio_interval", "confidence"): NO_FRACTION,
    ("split_conformal.conformal_prediction", "ood_logits"): (
        *wrong(CLASSES, LOGITS[:, :2]),
        *wrong(FINITE, [[np.nan] * 3]),
        *wrong("non-empty", [], [0.5]),
    ),
}

#: What an argument that must fit another is told by: the check names both, or the one that is off.
NAMED_BY = {
    "arrays": "arrays", "candidates": "candidates|id_scores|ood_scores|input",
    "logits": "logits|labels|features", "confidence": "confidence|correct",
    "id_logits": "id_logits|ood_logits", "probabilities": "probabilities|labels|u",
    "sets": "sets|labels", "features": "features", "weight": "weight|bias",
    "scores": "scores|quantiles", "id_scores": "id_scores|correct",
    "calibration_scores": "calibration_scores|labels",
}  # fmt: skip

MODULES = {
    name: importlib.import_module(f"analysis.metrics.{name}")
    for _, name, _ in pkgutil.iter_modules(analysis.metrics.__path__)
    if name != "checks"
} | {"stats": stats, "theory": theory, "equivalence": equivalence}


FUNCTIONS = {
    f"{module}.{name}": function
    for module, found in MODULES.items()
    for name, function in vars(found).items()
    if callable(function)
    and not inspect.isclass(function)
    and not name.startswith("_")
    and getattr(function, "__module__", "") == found.__name__
}


def called(function, arguments):
    rest = dict(arguments)
    if "arrays" in rest:
        return function(rest.pop("metric"), rest.pop("arrays"), **rest)
    return function(**rest)


def test_every_public_function_and_every_argument_of_it_is_tried():
    assert FUNCTIONS.keys() == RIGHT.keys()
    for name, function in FUNCTIONS.items():
        assert inspect.signature(function).parameters.keys() == RIGHT[name].keys(), name
        assert WRONG.keys() >= RIGHT[name].keys(), name


MIDPOINT = {"calibration.expected_calibration_error": {"representative": "midpoint"}}


@pytest.mark.parametrize(("name", "other"), [*product(FUNCTIONS, [{}]), *MIDPOINT.items()])
@pytest.mark.filterwarnings("ignore")
def test_what_has_no_truthful_answer_is_refused_by_the_argument_s_name(name, other):
    function, right = FUNCTIONS[name], RIGHT[name] | other
    called(function, right)
    for argument in right:
        default = inspect.signature(function).parameters[argument].default
        for value, said in OF_ITS_OWN.get((name, argument), WRONG[argument]):
            if value is None is default:
                continue
            with pytest.raises(ValueError, match=said) as raised:
                called_with(function, right, argument, value)
            assert re.search(NAMED_BY.get(argument, argument), str(raised.value))


def called_with(function, right, argument, value):
    called(function, right | {argument: value})
    pytest.fail(f"{function.__name__} took {argument} = {value!r}")


@pytest.fixture
def results():
    return make_results(Spec())


def test_a_grid_that_is_not_the_study_s_is_refused(results):
    assert comparison.compare_grid(results, next(iter(results.plan.grids)), ECE)
    with pytest.raises(ValueError, match="grid must be one of the study's, not 'none'"):
        comparison.compare_grid(results, "none", ECE)


def test_a_number_that_is_none_is_not_compared(results):
    condition = results.plan.conditions()[0]
    with pytest.raises(ValueError, match="without contains NaN"):
        comparison.compare(results, condition, ECE, lambda trial: {ECE.key: np.nan})


def test_what_lies_at_the_edge_is_taken():
    sure = [[1.0, 0.0], [0.0, 1.0]]
    assert probabilistic.brier_score(sure, [0, 1]) == 0
    assert calibration.expected_calibration_error([0.0, 1.0], [False, True]) == 0
    float32 = classification.softmax(LOGITS).astype(np.float32)
    assert probabilistic.brier_score(float32, LABELS) > 0
    assert classification.softmax([[1e4, -1e4]]).tolist() == [[1, 0]]
    assert stats.mean_interval([1, 2, 4], np.float32(0.95))[0] < 7 / 3
    assert calibration.expected_calibration_error(CONFIDENCE, CORRECT, np.int64(5)) >= 0


def test_checks_are_cheap():
    logits = np.random.default_rng(0).normal(size=(10_000, 100))
    started = time.process_time()
    for _ in range(10):
        ood_scores.max_logit(logits)
    assert (time.process_time() - started) / 10 < 0.05  # seconds; measured: 0.002
