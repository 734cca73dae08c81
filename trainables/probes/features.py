"""The features that the last layer sees, for detection scores that look at more than logits."""

import torch
from torch import Tensor, nn

from trainables.models.head import head
from trainables.probes.subject import Arrays, Subject
from trainables.training.loop import evaluation_batches


def features(subject: Subject) -> Arrays:
    """What the layer that makes the logits takes, for detection scores that look at features.

    Returns:
        `{train,test,ood}` (n, width), `labels` of the training images (n,), and the last layer's
        `weight` (classes, width) and `bias` (classes,), on the CPU.

    Raises:
        ValueError: that layer is no linear one.
    """
    network, data = subject.network, subject.data
    last = head(network)
    if not isinstance(last, nn.Linear):
        raise ValueError("features: the layer that makes the network's logits is no Linear layer")
    weight = last.weight.detach()
    arrays = {
        "labels": data.train.labels,
        "weight": weight,
        "bias": weight.new_zeros(len(weight)) if last.bias is None else last.bias.detach(),
    }
    splits = {"train": data.train, "test": data.test, "ood": data.ood}
    network.eval()
    taken: list[Tensor] = []
    hook = last.register_forward_pre_hook(lambda module, inputs: taken.append(inputs[0]))
    try:
        for name, split in splits.items():
            if split is not None:
                with torch.no_grad():
                    for part in evaluation_batches(split):
                        network(split.taken(part)[0])
                arrays[name] = torch.cat(taken)
                taken.clear()
    finally:
        hook.remove()
    return {name: array.cpu() for name, array in arrays.items()}
