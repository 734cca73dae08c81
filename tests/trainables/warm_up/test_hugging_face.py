"""The callback in Hugging Face's real Trainer, with small models of random weights."""

import pytest
import torch
from support import identical
from torch.utils.data import Dataset
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    ViTConfig,
    ViTForImageClassification,
)

from trainables.warm_up import warm_up
from trainables.warm_up.hugging_face import WarmUp

RECIPE = {"examples": 64, "epochs": 2, "batch": 16, "optimizer": {"name": "adam", "lr": 0.01}}
IMAGES = RECIPE | {"input_shape": (3, 8, 8), "num_classes": 4}
TOKENS = RECIPE | {"input_shape": (5,), "num_classes": 11, "kind": "language"}


@pytest.fixture(autouse=True)
def _offline(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


class Examples(Dataset):
    def __init__(self, kind):
        self.kind = kind

    def __len__(self):
        return 12

    def __getitem__(self, i):
        random = torch.Generator().manual_seed(i)
        if self.kind == "images":
            return {"pixel_values": torch.randn(3, 8, 8, generator=random), "labels": i % 4}
        tokens = torch.randint(11, (5,), generator=random)
        return {"input_ids": tokens, "labels": tokens}


class Witness(TrainerCallback):
    """Notes the model before its first step, and how far its optimizer's state is then."""

    def __init__(self):
        self.started_with, self.optimizer_state = None, None

    def on_step_begin(self, args, state, control, model=None, optimizer=None, **kwargs):
        if self.started_with is None:
            self.started_with = state_of(model)
            self.optimizer_state = len(optimizer.state)


def vit():
    return ViTForImageClassification(
        ViTConfig(
            **{"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2},
            **{"intermediate_size": 16, "image_size": 8, "patch_size": 4, "num_labels": 4},
            hidden_dropout_prob=0.1,
        )
    )


def gpt():
    return GPT2LMHeadModel(GPT2Config(vocab_size=11, n_positions=8, n_embd=8, n_layer=1, n_head=2))


def state_of(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def train(model, folder, *callbacks, kind="images", trainer=None, **how):
    if trainer is None:
        arguments = TrainingArguments(
            **{"output_dir": folder, "max_steps": 2, "per_device_train_batch_size": 4},
            **{"save_steps": 1, "report_to": [], "disable_tqdm": True, "use_cpu": True},
        )
        trainer = Trainer(model, arguments, train_dataset=Examples(kind), callbacks=[*callbacks])
    trainer.train(**how)
    return trainer


@pytest.mark.parametrize(
    ("make", "kind", "settings", "logits"),
    [
        (vit, "images", IMAGES, lambda output: output.logits),
        (gpt, "tokens", TOKENS, lambda output: output.logits.movedim(-1, 1)),
    ],
)
def test_the_first_step_starts_from_the_warmed_up_state_and_a_fresh_optimizer(
    make, kind, settings, logits, tmp_path
):
    model, twin, witness, callback = make(), make(), Witness(), WarmUp(**settings)
    twin.load_state_dict(model.state_dict())
    train(model, tmp_path, callback, witness, kind=kind)
    warm_up(twin, **settings, logits=logits)
    identical(witness.started_with, state_of(twin))
    assert witness.optimizer_state == 0
    assert [epoch["epoch"] for epoch in callback.history] == [1, 2]


def test_a_resume_is_not_warmed_up(tmp_path):
    model, first = gpt(), Witness()
    first.on_step_end = lambda *given, model, **named: saved.append(state_of(model))
    saved = []
    train(model, tmp_path, first, kind="tokens")

    witness, callback = Witness(), WarmUp(**TOKENS)
    resumed = str(tmp_path / "checkpoint-1")
    train(gpt(), tmp_path, callback, witness, kind="tokens", resume_from_checkpoint=resumed)
    identical(witness.started_with, saved[0])
    assert callback.history is None


def test_a_second_training_is_not_warmed_up(tmp_path):
    """By the same Trainer, and by another one."""
    model = vit()
    trainer = train(model, tmp_path, WarmUp(**IMAGES))
    for how in ({"trainer": trainer}, {}):
        before, witness = state_of(model), Witness()
        trainer.add_callback(witness)
        train(model, tmp_path, WarmUp(**IMAGES), witness, **how)
        identical(witness.started_with, before)


def test_a_wrong_setting_is_refused_when_the_callback_is_made():
    with pytest.raises(TypeError, match="exampels"):
        WarmUp(**IMAGES, exampels=3)
