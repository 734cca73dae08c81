"""A small trial on photographs, whose facts are stated and not looked up."""

import pytest

from trainables.config.model import Mlp
from trainables.config.trial import Data, DataFacts, Optimizer, Task, Trial, Warmup
from trainables.data.examples import stated_normalisation

_MEAN, _STD = stated_normalisation("photos") or pytest.fail("photos state their constants")
FACTS = DataFacts(
    digest="photos", ood_digest="ood", shape=(3, 32, 32), classes=10, mean=_MEAN, std=_STD
)
# warm-up: 3 epochs of 2 steps of 8; task: 3 epochs of 21 examples in 8, 8 and 5
WARM = Trial(
    model=Mlp(depth=3, width=8),
    data=Data(examples=21, validation=12, test=15, ood_examples=9, facts=FACTS),
    warmup=Warmup(examples=50, epochs=3, batch=8, optimizer=Optimizer(lr=1e-3)),
    task=Task(epochs=3, batch=8, optimizer=Optimizer(lr=1e-3, weight_decay=1e-3)),
)
