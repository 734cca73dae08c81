"""`points`: uniform in their square, with labels that know nothing of them."""

import pytest
import torch
from scipy import stats

from trainables.data.sources import load

SPLITS = ("train", "validation", "test")


@pytest.fixture(scope="module")
def source():
    return load("points")


@pytest.fixture(scope="module")
def ood():
    return load("points_ood")


@pytest.mark.parametrize("split", SPLITS)
def test_points_are_uniform_in_the_square(source, split):
    points = getattr(source, split).inputs
    assert (points.shape, points.dtype) == ((1000, 2), torch.float32)
    assert points.abs().max() <= 10
    for axis in points.T.double():
        assert stats.kstest(axis, stats.uniform(-10, 20).cdf).pvalue > 0.01
    assert stats.pearsonr(*points.T.double()).pvalue > 0.01


@pytest.mark.parametrize("split", SPLITS)
def test_labels_are_even_whatever_the_point(source, split):
    held = getattr(source, split)
    assert (held.labels.shape, held.labels.dtype) == ((1000,), torch.int64)
    assert stats.binomtest(int(held.labels.sum()), 1000).pvalue > 0.01
    first, second = (held.inputs[held.labels == label].double() for label in (0, 1))
    for axis in (0, 1):
        assert stats.ks_2samp(first[:, axis], second[:, axis]).pvalue > 0.01
    # which quarter of the plane a point lies in
    quarter = (held.inputs > 0).long() @ torch.tensor([2, 1])
    table = torch.stack([quarter[held.labels == label].bincount() for label in (0, 1)])
    assert stats.chi2_contingency(table).pvalue > 0.01


def test_the_splits_share_no_point(source, ood):
    points = [getattr(source, split).inputs for split in SPLITS]
    everything = torch.cat([*points, ood.test.inputs])
    assert len(everything.unique(dim=0)) == 4000


def test_ood_points_are_uniform_outside_the_square(ood):
    points = ood.test.inputs
    assert (points.shape, points.dtype) == ((1000, 2), torch.float32)
    reach = points.abs().amax(dim=1).double()
    assert reach.min() > 10
    assert reach.max() <= 30
    # the area within reach r, of all that lies outside: (r² − 10²) / (30² − 10²)
    assert stats.kstest(reach, lambda r: (r**2 - 100) / 800).pvalue > 0.01
    angle = torch.atan2(points[:, 1], points[:, 0]).double() % (torch.pi / 2)
    assert stats.binomtest(int((angle < torch.pi / 4).sum()), 1000).pvalue > 0.01
    quarters = ((points > 0).long() @ torch.tensor([2, 1])).bincount()
    assert stats.chisquare(quarters).pvalue > 0.01


def test_what_the_points_say_of_themselves(source, ood):
    for held in (source, ood):
        assert (held.kind, held.shape) == ("classification", (2,))
        assert held.class_names == ("0", "1")
