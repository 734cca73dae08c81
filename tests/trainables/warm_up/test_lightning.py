"""The callback in the real Lightning: before the first step, once, and never on a resume."""

import warnings

import pytest
import torch
import torch.nn.functional as F
from lightning.pytorch import LightningModule, Trainer
from support import identical
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from trainables.warm_up import warm_up
from trainables.warm_up.lightning import WarmUp

RECIPE = {
    **{"input_shape": (12,), "num_classes": 4, "examples": 64, "epochs": 2, "batch": 16},
    **{"optimizer": {"name": "adam", "lr": 0.01}},
}
EXAMPLES = TensorDataset(torch.randn(24, 12), torch.arange(24) % 4)


class Module(LightningModule):
    """Notes what it is before its first step, and how far its optimizer's state is then."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(12, 16), nn.BatchNorm1d(16), nn.Dropout(0.3), nn.ReLU(), nn.Linear(16, 4)
        )
        self.started_with, self.optimizer_state = None, None

    def forward(self, x):
        return self.net(x)

    def training_step(self, batch, index):
        if self.started_with is None:
            self.started_with = state_of(self)
            self.optimizer_state = len(self.optimizers().state)
        inputs, labels = batch
        return F.cross_entropy(self(inputs), labels)

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=1e-3)


class WithoutForward(Module):
    forward = LightningModule.forward

    def training_step(self, batch, index):
        self.started_with = self.started_with or state_of(self)
        return F.cross_entropy(self.net(batch[0]), batch[1])


def state_of(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


def fit(module, folder, *callbacks, trainer=None, epochs=1, **how):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of workers and loggers
        trainer = trainer or Trainer(
            **{"default_root_dir": folder, "accelerator": "cpu", "max_epochs": epochs},
            **{"enable_progress_bar": False, "enable_model_summary": False, "logger": False},
            callbacks=list(callbacks),
        )
        trainer.fit(module, DataLoader(EXAMPLES, batch_size=8), **how)
    return trainer


def warmed(module):
    """What the module is after the plain function."""
    warm_up(module, **RECIPE)
    return state_of(module)


@pytest.fixture
def twins():
    one, two = Module(), Module()
    two.load_state_dict(one.state_dict())
    return one, two


def test_the_first_step_starts_from_the_warmed_up_state_and_a_fresh_optimizer(twins, tmp_path):
    module, twin = twins
    callback = WarmUp(**RECIPE)
    fit(module, tmp_path, callback)
    identical(module.started_with, warmed(twin))  # buffers of batch normalisation, too
    assert module.optimizer_state == 0
    assert [epoch["epoch"] for epoch in callback.history] == [1, 2]


def test_the_training_draws_what_it_would_have_drawn(twins, tmp_path):
    """Dropout's masks: the warm-up leaves the random state where it was."""
    module, twin = twins
    warm_up(twin, **RECIPE)
    torch.manual_seed(7)
    fit(module, tmp_path, WarmUp(**RECIPE))
    torch.manual_seed(7)
    fit(twin, tmp_path)
    identical(state_of(module), state_of(twin))


@pytest.mark.parametrize("steps", [0, 2])
def test_a_resume_is_not_warmed_up(steps, tmp_path):
    module, path = Module(), tmp_path / "last.ckpt"
    trainer = Trainer(
        **{"default_root_dir": tmp_path, "accelerator": "cpu", "max_steps": steps},
        **{"enable_progress_bar": False, "enable_model_summary": False, "logger": False},
    )
    fit(module, tmp_path, trainer=trainer)
    trainer.save_checkpoint(path)

    callback, resumed = WarmUp(**RECIPE), Module()
    fit(resumed, tmp_path, callback, epochs=2, ckpt_path=path)
    identical(resumed.started_with, state_of(module))
    assert callback.history is None


def test_a_second_fit_is_not_warmed_up(tmp_path):
    """By the same Trainer, by another one, and by another callback."""
    module, callback = Module(), WarmUp(**RECIPE)
    trainer = fit(module, tmp_path, callback)
    for how in ({"trainer": trainer}, {}):
        before, module.started_with = state_of(module), None
        trainer.fit_loop.max_epochs = 2
        other = WarmUp(**RECIPE)
        fit(module, tmp_path, other, **how)
        identical(module.started_with, before)
        assert other.history is None


def test_a_part_of_the_module_can_be_what_maps_inputs_to_logits(tmp_path):
    module, twin = WithoutForward(), Module()
    twin.load_state_dict(module.state_dict())
    fit(module, tmp_path, WarmUp(network=lambda module: module.net, **RECIPE))
    identical(module.started_with, warmed(twin))


def test_a_wrong_setting_is_refused_when_the_callback_is_made():
    with pytest.raises(TypeError, match="exampels"):
        WarmUp(**RECIPE, exampels=3)
