"""Sets with a promise for each class: against loops, exact distributions and all partitions."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta, binom, kstest

from analysis.metrics.classification import softmax
from analysis.metrics.conformal import (
    conformal_quantile,
    coverage,
    lac_scores,
    p_values,
    prediction_sets,
)
from analysis.metrics.conformal_classes import (
    NULL_CLUSTER,
    class_clusters,
    class_prediction_sets,
    class_quantiles,
    clustered_quantiles,
    covgap,
    covgap_by_chance,
)

labelled_scores = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3)), min_size=1, max_size=60)


def unlike_classes(n, classes=6, seed=0):
    """Scores (n,) of true labels, uniform on [c mod 2, c mod 2 + 1]: two kinds of classes."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(classes, size=n)
    return labels % 2 + generator.random(n), labels


# Mondrian


@given(labelled_scores, st.integers(1, 99))
def test_a_class_s_quantile_is_that_of_its_own_examples_alone(examples, percent):
    scores, labels = zip(*examples, strict=True)
    quantiles = class_quantiles(scores, labels, 4, percent / 100)
    for c in range(4):
        own = [s for s, y in examples if y == c]
        assert quantiles[c] == (conformal_quantile(own, percent / 100) if own else np.inf)


@given(labelled_scores, st.lists(st.integers(0, 9), min_size=4, max_size=4), st.integers(1, 99))
def test_a_set_holds_the_classes_whose_own_p_value_exceeds_alpha(examples, scores, percent):
    calibration, labels = (np.array(column) for column in zip(*examples, strict=True))
    alpha = percent / 100
    sets = class_prediction_sets([scores], class_quantiles(calibration, labels, 4, alpha))
    for c in range(4):
        own = calibration[labels == c]
        expected = own.size == 0 or p_values(own, scores[c]) > alpha
        assert sets[0, c] == expected


def test_one_class_and_equal_quantiles_are_the_sets_without_classes():
    scores = np.random.default_rng(0).random((50, 3))
    assert class_quantiles(scores[:, 0], [0] * 50, 1, 0.2) == conformal_quantile(scores[:, 0], 0.2)
    np.testing.assert_array_equal(
        class_prediction_sets(scores, [0.4] * 3), prediction_sets(scores, 0.4)
    )


def test_coverage_of_each_class_over_calibrations_is_the_beta_law_of_its_own_count():
    # of n uniform scores the covered share is the ⌈(n + 1)(1 − α)⌉-th smallest: mean ≥ 1 − α
    generator, counts = np.random.default_rng(0), (19, 40, 150)
    labels = np.repeat([0, 1, 2], counts)
    covered = np.array(
        [class_quantiles(generator.random(labels.size), labels, 3, 0.1) for _ in range(1500)]
    )
    for share, n, rank in zip(covered.T, counts, (18, 37, 136), strict=True):
        assert kstest(share, beta(rank, n + 1 - rank).cdf).pvalue > 0.01
        assert 0.9 - 0.005 < share.mean() < 0.9 + 1 / (n + 1) + 0.005


def test_new_examples_of_a_hard_class_are_covered_only_with_quantiles_of_its_own():
    generator, gaps = np.random.default_rng(1), []
    for _ in range(40):
        labels = generator.integers(4, size=4000)
        # class 3 is hardly told apart from class 0
        logits = np.eye(4)[labels] * np.array([4, 4, 4, 1.0])[labels, None]
        scores = lac_scores(softmax(logits + generator.normal(size=(4000, 4))))
        old, new = np.split(np.arange(4000), 2)
        calibration = scores[old, labels[old]]
        of_all = prediction_sets(scores[new], conformal_quantile(calibration, 0.1))
        of_each = class_prediction_sets(
            scores[new], class_quantiles(calibration, labels[old], 4, 0.1)
        )
        hard = labels[new] == 3
        gaps.append(
            [
                coverage(of_all[hard], labels[new][hard]),
                *(
                    coverage(of_each[labels[new] == c], [c] * (labels[new] == c).sum())
                    for c in (range(4))
                ),
                covgap(of_all, labels[new], 0.1),
                covgap(of_each, labels[new], 0.1),
            ]
        )
    hard_of_all, *each, gap_of_all, gap_of_each = np.mean(gaps, axis=0)
    assert hard_of_all < 0.75
    assert (np.abs(np.subtract(each, 0.9)) < 0.01).all()
    assert gap_of_each < 0.03 < 0.1 < gap_of_all


# Clusters


def test_classes_of_the_same_scores_are_found_to_be_of_one_cluster():
    assigned = class_clusters(*unlike_classes(3000), 6, 0.1, clusters=2, seed=0)
    assert assigned[0] != assigned[1]
    assert assigned.tolist() == [assigned[0], assigned[1]] * 3


@pytest.mark.parametrize("seed", range(5))
def test_no_partition_of_the_classes_has_less_spread(seed):
    generator = np.random.default_rng(seed)
    labels = np.repeat(range(6), generator.integers(9, 60, size=6))
    scores = generator.random(labels.size) * np.array([1, 1, 2, 2, 1.5, 3])[labels]
    points, weights = [], []
    for c in range(6):
        own = sorted(scores[labels == c])
        # the ⌈n·q⌉-th smallest, in whole numbers
        points.append([own[-(-len(own) * tenths // 10) - 1] for tenths in (5, 6, 7, 8, 9)])
        weights.append(len(own) ** 0.5)
    points, weights = np.array(points), np.array(weights)

    def spread(partition):
        total = 0.0
        for cluster in set(partition):
            within = np.array(partition) == cluster
            centre = np.average(points[within], axis=0, weights=weights[within])
            total += (weights[within, None] * (points[within] - centre) ** 2).sum()
        return total

    for clusters in (1, 2, 3):
        found = class_clusters(scores, labels, 6, 0.1, clusters, seed=0)
        least = min(map(spread, product(range(clusters), repeat=6)))
        assert len(set(found)) == clusters
        assert spread(found.tolist()) == pytest.approx(least, rel=1e-9)


@pytest.mark.parametrize(("alpha", "fewest"), [(0.1, 9), (0.05, 19), (0.3, 3), (0.29, 3)])
def test_a_class_too_rare_to_promise_anything_is_in_the_null_cluster(alpha, fewest):
    labels = np.repeat([0, 2], [fewest, fewest - 1])
    assigned = class_clusters(np.arange(labels.size), labels, 3, alpha, 2, seed=0)
    assert assigned.tolist() == [0, NULL_CLUSTER, NULL_CLUSTER]
    assert np.isfinite(conformal_quantile(np.arange(fewest), alpha))
    assert np.isinf(conformal_quantile(np.arange(fewest - 1), alpha))


@pytest.mark.filterwarnings("error")
def test_as_many_clusters_as_different_classes_make_each_its_own():
    scores, labels = unlike_classes(900, classes=3)
    assert sorted(class_clusters(scores, labels, 3, 0.1, 7, seed=0)) == [0, 1, 2]
    assert class_clusters(labels * 0.0, labels, 3, 0.1, 2, seed=0).tolist() == [0, 0, 0]


def calibrated_part(scores, labels, seed, share):
    """The half that does not find clusters, told independently."""
    order = np.random.default_rng(seed).permutation(labels.size)[round(share * labels.size) :]
    return scores[order], labels[order]


def test_one_cluster_is_the_quantile_of_all_and_one_for_each_class_is_mondrian():
    scores, labels = unlike_classes(600)
    kept, of = calibrated_part(scores, labels, seed=5, share=0.4)
    one = clustered_quantiles(scores, labels, 6, 0.1, 5, clusters=1, clustering_share=0.4)
    assert one.tolist() == [conformal_quantile(kept, 0.1)] * 6
    each = clustered_quantiles(scores, labels, 6, 0.1, 5, clusters=6, clustering_share=0.4)
    assert each.tolist() == class_quantiles(kept, of, 6, 0.1).tolist()
    two = clustered_quantiles(scores, labels, 6, 0.1, 5, clusters=2, clustering_share=0.4)
    even, odd = (conformal_quantile(kept[of % 2 == kind], 0.1) for kind in (0, 1))
    assert two.tolist() == [even, odd] * 3


def test_the_examples_that_are_calibrated_take_no_part_in_finding_clusters():
    scores, labels = unlike_classes(600)
    kept = np.random.default_rng(5).permutation(600)[240:]
    scores[kept] += (labels[kept] < 3) - labels[kept] % 2  # here other classes are alike
    found = clustered_quantiles(scores, labels, 6, 0.1, 5, clusters=2, clustering_share=0.4)
    even, odd = (conformal_quantile(scores[kept][labels[kept] % 2 == kind], 0.1) for kind in (0, 1))
    assert found.tolist() == [even, odd] * 3


def test_a_class_of_the_null_cluster_has_the_quantile_of_all():
    scores, labels = unlike_classes(600, classes=5)
    quantiles = clustered_quantiles(scores, labels, 7, 0.1, 0, 2, 0.5)
    kept, _ = calibrated_part(scores, labels, seed=0, share=0.5)
    assert quantiles[5] == quantiles[6] == conformal_quantile(kept, 0.1)
    nothing_known = clustered_quantiles(scores[:20], labels[:20], 7, 0.1, 0, 2, 0.5)
    assert len(set(nothing_known)) == 1


def test_settings_that_are_not_given_are_those_of_the_paper():
    # 100 classes of 40: 100/175 of 40, 22, find 11 clusters
    labels = np.repeat(np.arange(100), 40)
    scores = np.random.default_rng(0).random(4000) + labels % 11
    np.testing.assert_array_equal(
        clustered_quantiles(scores, labels, 100, 0.1, seed=3),
        clustered_quantiles(scores, labels, 100, 0.1, 3, clusters=11, clustering_share=100 / 175),
    )


def test_rare_classes_are_covered_by_the_examples_of_their_cluster():
    # 20 classes of 25 examples, two kinds; ten of a class's own would be left to calibrate with
    covered, infinite = [], 0
    for seed in range(60):
        generator = np.random.default_rng(seed)
        labels = np.repeat(np.arange(20), 25)
        scores = labels % 2 + generator.random(labels.size)
        bounds = clustered_quantiles(scores, labels, 20, 0.1, seed, 2, clustering_share=0.6)
        covered.append(np.clip(bounds - np.arange(20) % 2, 0, 1))
        infinite += np.isinf(bounds).sum()
    assert infinite == 0
    assert np.mean(covered) > 0.9 - 0.005
    assert (np.mean(covered, axis=0) > 0.87).all()


def test_the_clusters_are_the_seeds():
    scores, labels = unlike_classes(500)
    same = [clustered_quantiles(scores, labels, 6, 0.1, 1, 2, 0.5) for _ in range(2)]
    np.testing.assert_array_equal(*same)
    assert (same[0] != clustered_quantiles(scores, labels, 6, 0.1, 2, 2, 0.5)).any()


# What the sets are worth


@given(
    st.lists(st.tuples(st.integers(0, 3), st.booleans()), min_size=1, max_size=40),
    st.integers(1, 99),
)
def test_covgap_is_the_mean_over_the_classes_that_occur(examples, percent):
    labels, holds = (np.array(column) for column in zip(*examples, strict=True))
    sets = np.eye(4, dtype=bool)[np.where(holds, labels, (labels + 1) % 4)]
    gaps = [abs(holds[labels == c].mean() - (1 - percent / 100)) for c in set(labels.tolist())]
    assert covgap(sets, labels, percent / 100) == pytest.approx(np.mean(gaps), abs=1e-12)


def test_covgap_is_known_by_hand():
    everything, nothing = np.ones((4, 2), dtype=bool), np.zeros((4, 2), dtype=bool)
    assert covgap(everything, [0, 0, 1, 1], 0.25) == 0.25
    assert covgap(nothing, [0, 0, 0, 1], 0.25) == 0.75
    one_of_two = np.array([[True, False]] * 4)  # class 0 always, class 1 never
    assert covgap(one_of_two, [0, 0, 0, 1], 0.5) == 0.5
    assert coverage(one_of_two, [0, 0, 0, 1]) == 0.75


@pytest.mark.parametrize("alpha", [0.01, 0.1, 0.25, 0.5, 0.9])
@pytest.mark.parametrize("n", [1, 2, 10, 20, 100, 1000, 100_000])
def test_covgap_by_chance_is_the_binomial_s_mean_absolute_deviation(n, alpha):
    k = np.arange(n + 1)
    expected = (np.abs(k / n - (1 - alpha)) * binom.pmf(k, n, 1 - alpha)).sum()
    assert covgap_by_chance([7] * n, alpha) == pytest.approx(expected, rel=1e-7)
    assert covgap_by_chance([0] * n + [2] * n, alpha) == pytest.approx(expected, rel=1e-7)


def test_covgap_of_coverage_by_chance_is_what_is_to_be_expected():
    generator = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], [10, 50, 200])
    found = [
        covgap(np.repeat(generator.random((260, 1)) < 0.9, 3, axis=1), labels, 0.1)
        for _ in range(2000)
    ]
    assert np.mean(found) == pytest.approx(covgap_by_chance(labels, 0.1), abs=0.002)
