"""The features that the last layer sees, for detection scores that look at more than logits."""

import torch
from torch import Tensor, nn

from trainables.probes.subject import Arrays, Subject
from trainables.training import evaluation_batches


def features(subject: Subject) -> Arrays:
    """What the last linear layer takes, for detection scores that look at features.

    Returns:
        `{train,test,ood}` (n, width), `labels` of the training images (n,), and the last layer's
        `weight` (classes, width) and `bias` (classes,), on the CPU.
    """
    network, data = subject.network, subject.data
    last = [module for module in network.modules() if isinstance(module, nn.Linear)][-1]
    arrays = {
        "labels": data.train.labels,
        "weight": last.weight.detach(),
        "bias": last.bias.detach(),
    }
    splits = {"train": data.train, "test": data.test, "ood": data.ood}
    network.eval()
    taken: list[Tensor] = []
    hook = last.register_forward_pre_hook(lambda module, inputs: taken.append(inputs[0]))
    try:
        for name, split in splits.items():
            if split is not None:
                with torch.inference_mode():
                    for part in evaluation_batches(split):
                        network(split.taken(part)[0])
                arrays[name] = torch.cat(taken)
                taken.clear()
    finally:
        hook.remove()
    return {name: array.cpu() for name, array in arrays.items()}
