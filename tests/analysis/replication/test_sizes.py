"""What a run that is cut down leaves out, from parameters as records have them."""

from analysis.replication.sizes import sizes_of
from trainables.config.trial import Trial


def made(**changed):
    fields = {"seed": 0, "model": {"name": "mlp", "depth": 2}, "data": {"source": "digits"}}
    for name, values in changed.items():
        fields[name] = values if name == "model" else {**fields.get(name, {}), **values}
    return Trial(**fields).model_dump(mode="json")


def test_each_size_is_listed_once_and_numbers_from_the_smallest():
    found = sizes_of(
        [
            made(data={"source": "npz:/a/b/images.npz", "examples": 49_000, "test": 10_000}),
            made(data={"source": "npz:/a/b/images.npz", "examples": 1_000, "resize": 16}),
            made(model={"name": "resnet18", "weights": "torchvision"}),
        ]
    )
    assert found["network"] == "mlp (depth 2, width 256), resnet18"
    assert found["starting weights"] == "torchvision"
    assert found["data"] == "images.npz, digits"
    assert found["images"] == "as they are, 16×16"
    assert found["training examples"].endswith("1,000, 49,000")
    assert found["test examples"] == "10,000, all"


def test_a_control_has_no_warmup():
    control = made() | {"warmup": None}
    warmed = made(warmup={"examples": 2_560, "epochs": 5})
    assert "warm-up examples" not in sizes_of([control])
    assert sizes_of([control, warmed])["warm-up examples"] == "2,560"


def test_how_a_network_is_trained_is_a_size_too():
    paper = made(task={"batch": 256, "optimizer": {"name": "sgd", "lr": 0.1, "momentum": 0.9}})
    small = made(task={"batch": 32, "optimizer": {"name": "sgd", "lr": 0.01, "momentum": 0.9}})
    found = sizes_of([paper, small])
    assert found["mini-batch of the task"] == "32, 256"
    assert found["learning rate of the task"] == "0.01, 0.1"
    warmed = made(
        warmup={"examples": 2_560, "epochs": 5, "optimizer": {"name": "adam", "lr": 2e-5}}
    )
    assert sizes_of([warmed])["mini-batch of the warm-up"] == str(warmed["warmup"]["batch"])
    assert sizes_of([warmed])["learning rate of the warm-up"] == "2e-5"
