"""The language model: no look ahead, and attention as its formula says."""

import math
from contextlib import nullcontext

import pytest
import torch
from support import refused
from torch import Tensor, nn

from trainables.models.transformer import transformer

pytestmark = pytest.mark.filterwarnings("error")

VOCABULARY = 11
CONTEXT = 9
MODES = {  # whether it trains, and within what
    "train": (True, nullcontext),
    "eval": (False, nullcontext),
    "no_grad": (False, torch.no_grad),
    "inference": (False, torch.inference_mode),
}


def outputs(mode: str, network: nn.Module, tokens: Tensor) -> Tensor:
    training, context = MODES[mode]
    with context():
        return network.train(training)(tokens)


def network(**settings: float) -> nn.Module:
    """With embeddings large enough for tokens to matter."""
    made = transformer((CONTEXT,), VOCABULARY, **({"width": 16, "heads": 4} | settings))
    with torch.no_grad():
        made.embedding.weight.mul_(50)
        made.positions.mul_(50)
    return made


def tokens(n: int = 3) -> Tensor:
    return torch.randint(VOCABULARY, (n, CONTEXT), generator=torch.Generator().manual_seed(1))


# Causality


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("changed", range(1, CONTEXT))
def test_later_tokens_do_not_change_earlier_logits(mode, changed):
    made, one, other = network(), tokens(), tokens()
    other[:, changed:] = (other[:, changed:] + 1) % VOCABULARY
    before, after = (outputs(mode, made, said) for said in (one, other))
    assert torch.equal(before[..., :changed], after[..., :changed])
    assert not torch.isclose(before[..., changed:], after[..., changed:]).all(dim=1).any()


@pytest.mark.parametrize("mode", MODES)
def test_the_order_of_earlier_tokens_changes_later_logits(mode):
    made, one = network(), torch.arange(CONTEXT).expand(1, -1)
    other = one[:, [1, 0, *range(2, CONTEXT)]]
    before, after = (outputs(mode, made, said) for said in (one, other))
    assert ((before - after).abs().amax(dim=1) > 1e-3).all()


def test_the_first_position_knows_its_own_token_alone():
    made = network().eval()
    same_start = tokens(VOCABULARY)
    same_start[:, 0] = 4
    said = made(same_start)[..., 0]
    torch.testing.assert_close(said, said[:1].expand_as(said))


# Numbers


def test_a_forward_pass_is_the_formula():
    """One block by hand in float64: x + A(LN x), then x + W₂ gelu(W₁ LN x); a head at a time."""
    heads, width = 4, 16
    made = network(depth=1, heads=heads, width=width).double().eval()
    for parameter in made.parameters():  # biases and gains count, too
        nn.init.normal_(parameter, std=0.5)
    state = dict(made.state_dict())

    def norm(hidden: Tensor, name: str) -> Tensor:
        centred = hidden - hidden.mean(-1, keepdim=True)
        scale = (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt()
        return centred / scale * state[f"{name}.weight"] + state[f"{name}.bias"]

    def linear(hidden: Tensor, name: str) -> Tensor:
        return hidden @ state[f"{name}.weight"].T + state[f"{name}.bias"]

    def attention(hidden: Tensor) -> Tensor:  # (context, width)
        weight = state["blocks.0.self_attn.in_proj_weight"]
        mixed = hidden @ weight.T + state["blocks.0.self_attn.in_proj_bias"]
        queries, keys, values = (part.chunk(heads, dim=-1) for part in mixed.chunk(3, dim=-1))
        outputs = torch.zeros_like(hidden)
        for head in range(heads):
            own = slice(head * width // heads, (head + 1) * width // heads)
            for position in range(CONTEXT):
                seen = slice(0, position + 1)
                scores = keys[head][seen] @ queries[head][position] / math.sqrt(width // heads)
                shares = scores.exp() / scores.exp().sum()
                outputs[position, own] = shares @ values[head][seen]
        return linear(outputs, "blocks.0.self_attn.out_proj")

    def gelu(hidden: Tensor) -> Tensor:
        return hidden * (1 + torch.erf(hidden / math.sqrt(2))) / 2

    said = tokens(1)
    hidden = state["embedding.weight"][said[0]] + state["positions"]
    hidden = hidden + attention(norm(hidden, "blocks.0.norm1"))
    mlp = gelu(linear(norm(hidden, "blocks.0.norm2"), "blocks.0.linear1"))
    hidden = hidden + linear(mlp, "blocks.0.linear2")
    logits = linear(norm(hidden, "norm"), "head")
    torch.testing.assert_close(made(said)[0], logits.T, atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize("heads", [1, 2, 4])
@pytest.mark.parametrize("mode", MODES)
def test_without_dropout_every_mode_gives_the_same_numbers(mode, heads):
    made = network(heads=heads)
    assert torch.equal(outputs(mode, made, tokens()), outputs("train", made, tokens()))


@pytest.mark.parametrize("removed", ["dropout", "blocks"])
def test_dropout_works_on_embeddings_and_in_blocks_in_train_mode_alone(removed):
    made = network(dropout=0.5)
    for module in getattr(made, removed).modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        elif isinstance(module, nn.MultiheadAttention):
            module.dropout = 0.0
    assert not torch.equal(outputs("train", made, tokens()), outputs("train", made, tokens()))
    assert torch.equal(outputs("eval", made, tokens()), outputs("eval", made, tokens()))


def test_embeddings_and_positions_have_gpt_2_s_std():
    made = transformer((200,), 300)
    for values in (made.embedding.weight, made.positions):
        assert values.std().item() == pytest.approx(0.02, rel=0.05)
        assert abs(values.mean().item()) < 0.001


def test_depth_width_and_context_set_the_size():
    made = transformer((CONTEXT,), VOCABULARY, depth=3, width=8, heads=2)
    block = 4 * 8 * 8 + 4 * 8 + 2 * 4 * 8 * 8 + 4 * 8 + 8 + 4 * 8
    expected = VOCABULARY * 8 + CONTEXT * 8 + 3 * block + 2 * 8 + 8 * VOCABULARY + VOCABULARY
    assert sum(parameter.numel() for parameter in made.parameters()) == expected
    assert sum(value.numel() for value in made.state_dict().values()) == expected


def test_every_parameter_learns():
    made = network()
    made(tokens()).square().mean().backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in made.parameters())


def test_it_learns_to_repeat_the_token_before_the_last():
    """Attention is needed: the answer stands one position back."""
    made = transformer((CONTEXT,), VOCABULARY, depth=1, width=32)
    said = torch.randint(VOCABULARY, (256, CONTEXT))
    optimizer = torch.optim.Adam(made.parameters(), lr=0.01)
    for _ in range(100):
        optimizer.zero_grad()
        nn.functional.cross_entropy(made(said)[..., 1:], said[:, :-1]).backward()
        optimizer.step()
    fresh = torch.randint(VOCABULARY, (64, CONTEXT))
    correct = made.eval()(fresh)[..., 1:].argmax(dim=1) == fresh[:, :-1]
    assert correct.float().mean() > 0.9


@pytest.mark.parametrize(("width", "heads", "remedy"), [(64, 5, 65), (6, 4, 8), (2, 3, 3)])
def test_heads_that_cannot_share_the_width_are_refused(width, heads, remedy):
    text = (
        f"model.heads: {heads} heads cannot share a width of {width}; "
        f"give a width that {heads} divides, such as {remedy}"
    )
    with refused(ValueError, text):
        transformer((CONTEXT,), VOCABULARY, width=width, heads=heads)
    transformer((CONTEXT,), VOCABULARY, width=remedy, heads=heads)
