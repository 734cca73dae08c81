"""Several workers train a network as one does: the same steps, measurements and record, to within
rounding, whatever the number of workers, and wherever it is cut short."""

import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from lives import changed, keys, record
from small import WARM as SMALL
from together import Steps, Trained, life, lives, together, train
from torch import nn

from analysis.results.records import Record
from trainables.config.loss import Loss
from trainables.models.shared_norm import unshareable
from trainables.storage.storage import Storage
from trainables.tasks import NO_CLASS
from trainables.training.data_parallel import ALONE, Workers, contiguous

WARM = changed(SMALL, probes=("features", "gradients", "path"))


class Unused(nn.Module):
    """Two layers, of which the logits need one."""

    def __init__(self) -> None:
        super().__init__()
        self.used, self.unused = nn.Linear(6, 3), nn.Linear(6, 3)

    def forward(self, inputs):
        return self.used(inputs)


def batches(sizes, shape, targets=()):
    random = torch.Generator().manual_seed(1)
    made = []
    for size in sizes:
        inputs = torch.randn(size, *shape, generator=random, dtype=torch.float64) + 3.0
        labels = torch.randint(3, (size, *targets), generator=random)
        if targets:  # some pixels have no class, and of the first example none has
            labels[torch.rand(labels.shape, generator=random) < 0.3] = NO_CLASS
            labels[0] = NO_CLASS
            labels[-1, 0, 0] = 1
        made.append((inputs, labels))
    return made


def cases():
    torch.manual_seed(0)
    vectors = batches([7, 4, 2], (6,))
    hidden = nn.Linear(6, 5), nn.BatchNorm1d(5), nn.Tanh()
    average = nn.Linear(6, 5), nn.BatchNorm1d(5, momentum=None, affine=False), nn.Tanh()
    pixels = nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 3, 1)
    made = {
        "plain": Steps(nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 3)), vectors),
        "normalised": Steps(nn.Sequential(*hidden, nn.Linear(5, 3)), vectors),
        "statistics": Steps(nn.Sequential(*hidden, nn.Linear(5, 3)), vectors, trained=False),
        "average": Steps(nn.Sequential(*average, nn.Linear(5, 3)), vectors),
        "pixels": Steps(nn.Sequential(*pixels), batches([5, 3, 2], (2, 4, 4), (4, 4))),
        "unused": Steps(Unused(), vectors),
    }
    for loss in map(Loss.model_validate, ("label_smoothing", "focal")):
        network = nn.Sequential(*pixels, nn.Conv2d(3, 3, 1))
        made[loss.name] = Steps(network, batches([5, 3, 2], (2, 4, 4), (4, 4)), loss=loss)
    for case in made.values():
        case.network.double()
    return made


@pytest.fixture(scope="module", params=[2, 3])
def trained(request) -> tuple[dict[str, Trained], list[dict[str, Trained]]]:
    """What one worker makes of the cases, and what each of several does; of three workers, one has
    no example of the last mini-batch."""
    return train(ALONE, cases()), together(request.param, train, cases())


@pytest.mark.parametrize("case", cases())
def test_steps_in_float64_are_those_of_one_worker(trained, case):
    one, several = trained
    for worker in several:
        torch.testing.assert_close(worker[case].state, one[case].state, rtol=1e-10, atol=1e-12)
        assert worker[case].without_gradient == one[case].without_gradient


@pytest.mark.parametrize("case", cases())
def test_every_worker_has_all_outputs_in_order(trained, case):
    one, several = trained
    for worker in several:
        for kind in ("outputs", "said"):
            mine, wanted = (getattr(found[case], kind) for found in (worker, one))
            assert torch.equal(mine.labels, wanted.labels)
            torch.testing.assert_close(mine.logits, wanted.logits, rtol=1e-10, atol=1e-12)


def test_the_steps_do_change_the_network(trained):
    one, _ = trained
    for name, case in cases().items():
        moved = case.network.state_dict()
        assert any(not torch.equal(one[name].state[key], moved[key]) for key in moved)


@pytest.mark.parametrize("count", [0, 1, 2, 5, 8, 128])
@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_shares_are_contiguous_whole_and_even(count, size):
    shares = [contiguous(count, rank, size) for rank in range(size)]
    assert [i for share in shares for i in range(count)[share]] == list(range(count))
    sizes = [share.stop - share.start for share in shares]
    assert max(sizes) - min(sizes) <= 1


def test_one_worker_alone_computes_as_ever():
    network = nn.Sequential(nn.Linear(6, 5), nn.BatchNorm1d(5))
    assert ALONE.prepared(network, torch.device("cpu")) is network
    assert ALONE.distributed(network) is network
    assert type(network[1]) is nn.BatchNorm1d
    inputs, labels = torch.randn(4, 6), torch.arange(4)
    share = ALONE.share(network, inputs, labels)
    assert share.inputs is inputs
    assert share.labels is labels
    assert torch.equal(share.loss(inputs), nn.functional.cross_entropy(inputs, labels))


def test_a_batch_normalisation_with_arithmetic_of_its_own_is_named():
    class Mine(nn.BatchNorm1d):
        pass

    assert unshareable(nn.Sequential(nn.BatchNorm2d(3))) is None
    assert unshareable(nn.Sequential(Mine(3))) == "Mine"


KEPT = changed(WARM, warmup={"keep": "step_size"}, probes=())


@pytest.fixture(scope="module")
def lived(tmp_path_factory) -> SimpleNamespace:
    """Lives of two workers, whole or cut short and the last one ended by one; `told`: what each
    worker was told of each life."""
    folder = tmp_path_factory.mktemp("together")
    asked = [
        (WARM, folder / "whole", None, math.inf),
        (WARM, folder / "cut", 5),  # in the last epoch of the warm-up
        (WARM, folder / "cut", 6),  # a step of the warm-up, and five of the task
        (WARM, folder / "cut"),
        (WARM, folder / "handed", 11),
        (KEPT, folder / "kept"),
    ]
    told = together(2, lives, *asked)
    life(ALONE, WARM, folder / "handed")
    return SimpleNamespace(folder=folder, told=told)


@pytest.fixture(scope="module")
def alone(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("alone")
    for trial in (WARM, KEPT):
        life(ALONE, trial, folder, checkpoint_seconds=math.inf)
    return folder


def same_record(mine: Record, wanted: Record) -> None:
    for name, logits in wanted.logits.items():
        np.testing.assert_allclose(mine.logits[name], logits, rtol=1e-4, atol=1e-4)
    for name, labels in wanted.labels.items():
        np.testing.assert_array_equal(mine.labels[name], labels)
    for name, values in wanted.history.items():
        if name == "phase" or values.dtype == np.int64:
            np.testing.assert_array_equal(mine.history[name], values)
        elif name.endswith(("loss", "confidence")):
            np.testing.assert_allclose(mine.history[name], values, rtol=1e-4, atol=1e-4)
    assert mine.probes.keys() == wanted.probes.keys()
    for name, array in wanted.probes.items():
        np.testing.assert_allclose(mine.probes[name], array, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("how", ["whole", "cut", "handed"])
def test_a_life_is_that_of_one_worker(lived, alone, how):
    """Warm-up and task; `handed`: begun by two workers, and ended by one."""
    same_record(record(WARM, Storage(lived.folder / how)), record(WARM, Storage(alone)))


def test_what_is_kept_of_a_warmup_is_that_of_one_worker(lived, alone):
    same_record(record(KEPT, Storage(lived.folder / "kept")), record(KEPT, Storage(alone)))


def test_examples_are_counted_once_and_whole(lived):
    first, second = lived.told
    assert first == second
    assert [new for _, new in first[0]] == [8] * 6 + [8, 8, 5] * 3
    assert [done for done, _ in first[1]] == [8, 16, 24, 32, 40]
    assert first[2][0][0] == 40  # from the checkpoint after two epochs of the warm-up


def test_a_life_leaves_its_record_and_its_warmup_and_nothing_else(lived):
    kinds = [key.partition("/")[0] for key in keys(Storage(lived.folder / "cut"))]
    assert kinds == ["records", "warmups"]


def test_dropout_draws_of_each_worker_are_its_own():
    names = {Workers(rank, 3).stream("task epoch 1") for rank in range(3)}
    assert len(names) == 3
    assert ALONE.stream("task epoch 1") in names
