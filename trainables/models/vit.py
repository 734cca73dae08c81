"""The vision transformer (Dosovitskiy et al. 2021) at the paper's size, on torchvision's.

7 layers of width 384 with 8 heads, MLPs of width 1536, patches of 4×4 pixels (64 tokens of a 32×32
image, and a class token), learned positions drawn from N(0, 0.02²), dropout 0.01 after the
positions, the attention and each layer of the MLPs.

The paper does not state how a patch becomes a token. Its number of parameters, 12,472,378 for
3 channels and 10 classes, is met by a linear map of the patch's 48 values to 48 others followed by
one to the width: 2,352 more than the single map of the vanilla model.
"""

from torch import nn


def vit(
    shape: tuple[int, ...],
    classes: int,
    depth: int = 7,
    width: int = 384,
    heads: int = 8,
    mlp_width: int = 1536,
    patch: int = 4,
    dropout: float = 0.01,
) -> nn.Module:
    """(n, channels, side, side) → logits (n, classes).

    Args:
        shape: of one image, (channels, side, side).
        patch: pixels a side.

    Raises:
        ValueError: the images are not square, or a setting does not divide what it has to.
    """
    if len(shape) != 3 or shape[1] != shape[2]:
        raise ValueError(
            f"model: vit takes square images, and an input's shape is {shape}; use data.resize"
        )
    channels, side, _ = shape
    _check_divides("model.patch", patch, side, f"images of {side}×{side}")
    _check_divides("model.heads", heads, width, f"a width of {width}")
    # late: takes a second to import, and 160 MB
    from torchvision.models import VisionTransformer

    network = VisionTransformer(
        image_size=side,
        patch_size=patch,
        num_layers=depth,
        num_heads=heads,
        hidden_dim=width,
        mlp_dim=mlp_width,
        dropout=dropout,
        num_classes=classes,
    )
    values = channels * patch**2
    network.conv_proj = nn.Sequential(  # (n, channels, side, side) → (n, width, rows, columns)
        nn.Conv2d(channels, values, patch, stride=patch), nn.Conv2d(values, width, 1)
    )
    return network


def _check_divides(field: str, value: int, whole: int, what: str) -> None:
    if whole % value != 0:
        *others, last = [str(divisor) for divisor in range(1, whole + 1) if whole % divisor == 0]
        raise ValueError(
            f"{field}: {value} does not divide {what}; give {', '.join(others)} or {last}"
        )
