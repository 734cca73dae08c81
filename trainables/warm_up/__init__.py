"""The warm-up for a network in one's own training script; it needs PyTorch alone.

    from trainables.warm_up import warm_up

    warm_up(model, input_shape=(3, 32, 32), num_classes=10, examples=51_200)  # in place
    warm_up(model, input_shape=(3, 32, 32), num_classes=10, like="best.yaml")

Then the model is trained as it would have been. `trainables.warm_up.lightning` and
`trainables.warm_up.hugging_face` do it before the first step of a Trainer's.
"""

from trainables.warm_up.history import History
from trainables.warm_up.run import warm_up

__all__ = ["History", "warm_up"]
