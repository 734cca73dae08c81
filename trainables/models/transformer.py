"""A small causal language model (Vaswani et al. 2017; pre-norm and learned positions as in GPT-2,
Radford et al. 2019).

Token embedding + learned positions, both of std 0.02 → `depth` blocks of self-attention and an MLP
of 4 · width with GELU, each behind a LayerNorm → LayerNorm → a linear head. The logits at a
position depend on the tokens up to it alone.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_STD = 0.02  # of embeddings and positions, GPT-2's


def transformer(
    shape: tuple[int, ...],
    classes: int,
    depth: int = 2,
    width: int = 64,
    heads: int = 4,
    dropout: float = 0.0,
) -> nn.Module:
    """An untrained network: tokens, int64 (n, context) → logits (n, classes, context).

    Args:
        shape: of one input, (context,).
        classes: size of the vocabulary.
        depth: blocks.

    Raises:
        ValueError: the width cannot be shared out among the heads.
    """
    if width % heads:
        raise ValueError(
            f"model.heads: {heads} heads cannot share a width of {width}; "
            f"give a width that {heads} divides, such as {heads * -(-width // heads)}"
        )
    (context,) = shape
    return _Transformer(context, classes, depth, width, heads, dropout)


class _Transformer(nn.Module):
    mask: Tensor  # (context, context), added to the attention's scores: −∞ above the diagonal

    def __init__(
        self, context: int, classes: int, depth: int, width: int, heads: int, dropout: float
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(classes, width)
        self.positions = nn.Parameter(torch.empty(context, width))
        nn.init.normal_(self.embedding.weight, std=_STD)
        nn.init.normal_(self.positions, std=_STD)
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(
                width, heads, 4 * width, dropout, _gelu, batch_first=True, norm_first=True
            )
            for _ in range(depth)
        )
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, classes)
        mask = nn.Transformer.generate_square_subsequent_mask(context)
        self.register_buffer("mask", mask, persistent=False)

    def forward(self, tokens: Tensor) -> Tensor:
        hidden = self.dropout(self.embedding(tokens) + self.positions)  # (n, context, width)
        for block in self.blocks:
            hidden = block(hidden, src_mask=self.mask, is_causal=True)
        logits: Tensor = self.head(self.norm(hidden))  # (n, context, classes)
        return logits.transpose(1, 2)


def _gelu(hidden: Tensor) -> Tensor:
    # given F.gelu itself, PyTorch computes a block in eval mode by another kernel, whose logits
    # differ in their last digits from those in train mode
    return F.gelu(hidden)
