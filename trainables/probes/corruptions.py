"""Ten corruptions of images at five severities each: data that drift, as networks in use meet them.

After Hendrycks & Dietterich, "Benchmarking neural network robustness to common corruptions and
perturbations", ICLR 2019, with the amounts of their CIFAR-10-C where they have the corruption and
it is one for any image; the others are ours.

| corruption     | amount                                           | source                       |
|----------------|--------------------------------------------------|------------------------------|
| gaussian noise | s.d. that is added to each value                 | CIFAR-10-C                   |
| impulse noise  | share of values, half made 0 and half made 1     | CIFAR-10-C                   |
| gaussian blur  | s.d. in pixels                                   | CIFAR-10-C                   |
| pixelation     | how often neighbours become their mean, in turn  | ours: theirs, of 31 to 21    |
|                | in pairs of columns and in pairs of rows         | squares a side, may undo     |
|                |                                                  | itself and fits no 8×8       |
| JPEG           | quality                                          | CIFAR-10-C                   |
| brighter       | what is added to each value                      | CIFAR-10-C, of HSV's value   |
| darker         | what is taken from each value                    | ours, as much                |
| contrast       | share that is left of it                         | CIFAR-10-C                   |
| posterisation  | bits that are left of 8                          | ours                         |
| rotation       | degrees, 0 where nothing was                     | ours, as Ovadia et al. 2019; |
|                |                                                  | past 45 the corners return   |

What is in pixels is for images up to 32×32, and in proportion to the shorter side of larger ones.
Images are pixels in [0, 1], (n, 1 or 3 channels, height, width), on any device. What is random is
derived from corruption and severity alone, and drawn image by image on the CPU: the i-th image of a
study's test set is corrupted alike for every network, however many are taken at once.

Text has one corruption, ours: each byte that the network reads is, with a probability by severity,
any of them instead, all as likely; what comes next is asked as it was.
"""

import io
import math
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Generator, Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as transforms

from trainables.seeds import generator

_CIFAR_SIDE = 32  # pixels


@dataclass(frozen=True)
class Corruption:
    apply: Callable[[Tensor, float, Generator], Tensor]  # (pixels, amount, random) → pixels
    amounts: tuple[float, float, float, float, float]  # by severity, from 1 to 5

    def __call__(self, pixels: Tensor, severity: int, random: Generator) -> Tensor:
        """(n, channels, height, width) in [0, 1], as the pixels are."""
        return self.apply(pixels, self.amounts[severity - 1], random).clamp_(0.0, 1.0)


def generator_of(corruption: str, severity: int) -> Generator:
    """What is random in one corruption at one severity, from the first image on."""
    return generator(zlib.crc32(f"{corruption} {severity}".encode()), "corruption")


def _gaussian_noise(pixels: Tensor, deviation: float, random: Generator) -> Tensor:
    return pixels + deviation * _each(torch.randn, pixels, random)


def _impulse_noise(pixels: Tensor, share: float, random: Generator) -> Tensor:
    uniform = _each(torch.rand, pixels, random)
    peppered = torch.where(uniform < share / 2, 0.0, pixels)
    return torch.where(uniform >= 1 - share / 2, 1.0, peppered)


def _each(draw: Callable[..., Tensor], pixels: Tensor, random: Generator) -> Tensor:
    """As many values as pixels; image by image, since a draw's values depend on its size."""
    drawn = [draw(pixels.shape[1:], generator=random) for _ in pixels]
    return torch.stack(drawn).to(pixels.device)


def _gaussian_blur(pixels: Tensor, deviation: float, random: Generator) -> Tensor:
    """Of one axis after the other, which is the same and takes less time."""
    deviation *= _scale(pixels)
    height, width = (2 * min(math.ceil(3 * deviation), side - 1) + 1 for side in pixels.shape[2:])
    across = transforms.gaussian_blur(pixels, [width, 1], [deviation, deviation])
    return transforms.gaussian_blur(across, [1, height], [deviation, deviation])


def _pixelation(pixels: Tensor, merged: float, random: Generator) -> Tensor:
    """Blocks from the upper left, those of each severity made of whole ones of the last."""
    height, width = pixels.shape[2:]
    times, side = int(merged), round(_scale(pixels))
    block = side * 2 ** (times // 2), side * 2 ** ((times + 1) // 2)  # height and width
    means = F.avg_pool2d(pixels, block, ceil_mode=True)
    spread = means.repeat_interleave(block[0], dim=2).repeat_interleave(block[1], dim=3)
    return spread[..., :height, :width]


def _scale(pixels: Tensor) -> float:
    """By how much the images are larger than those that amounts in pixels are for."""
    return max(1.0, min(pixels.shape[2:]) / _CIFAR_SIDE)


def _jpeg(pixels: Tensor, quality: float, random: Generator) -> Tensor:
    """On the CPU, image by image."""
    images = _bytes(pixels).cpu()
    reopened = _reopened(images.numpy().tobytes(), tuple(images.shape), int(quality))
    return _from_bytes(reopened, pixels)


# All networks of a study are shown the same images, and a worker measures many: half of the time of
# `shift` would go here.
@lru_cache(maxsize=64)
def _reopened(content: bytes, shape: tuple[int, ...], quality: int) -> Tensor:
    """uint8 (n, channels, height, width), each through a JPEG file."""
    images = torch.frombuffer(bytearray(content), dtype=torch.uint8).view(shape)
    return torch.stack([_through_jpeg(image, quality) for image in images])


def _through_jpeg(image: Tensor, quality: int) -> Tensor:
    """uint8 (channels, height, width). By Pillow, since torchvision's own codec is to be
    removed."""
    file = io.BytesIO()
    Image.fromarray(image.movedim(0, -1).squeeze(-1).numpy()).save(file, "JPEG", quality=quality)
    with Image.open(file) as opened:
        return transforms.pil_to_tensor(opened)


def _brighter(pixels: Tensor, amount: float, random: Generator) -> Tensor:
    return pixels + amount


def _darker(pixels: Tensor, amount: float, random: Generator) -> Tensor:
    return pixels - amount


def _contrast(pixels: Tensor, share: float, random: Generator) -> Tensor:
    return transforms.adjust_contrast(pixels, share)


def _posterisation(pixels: Tensor, bits: float, random: Generator) -> Tensor:
    return _from_bytes(transforms.posterize(_bytes(pixels), int(bits)), pixels)


def _rotation(pixels: Tensor, degrees: float, random: Generator) -> Tensor:
    return transforms.rotate(pixels, degrees, InterpolationMode.BILINEAR)


def _bytes(pixels: Tensor) -> Tensor:
    return (pixels * 255.0).round_().to(torch.uint8)


def _from_bytes(whole: Tensor, pixels: Tensor) -> Tensor:
    """Where and as the pixels are."""
    return whole.to(pixels.device, pixels.dtype).div_(255.0)


_REPLACED = (0.01, 0.02, 0.05, 0.1, 0.2)  # share of a text's bytes, by severity from 1 to 5


def random_bytes(tokens: Tensor, severity: int, classes: int, random: Generator) -> Tensor:
    """Tokens (n, context), text by text; as many are drawn whatever the severity."""
    share, found = _REPLACED[severity - 1], []
    for text in tokens:
        chosen = torch.rand(text.shape, generator=random) < share
        drawn = torch.randint(classes, text.shape, generator=random)
        found.append(torch.where(chosen.to(text.device), drawn.to(text.device), text))
    return torch.stack(found)


CORRUPTIONS: Mapping[str, Corruption] = {
    "gaussian noise": Corruption(_gaussian_noise, (0.04, 0.06, 0.08, 0.09, 0.10)),
    "impulse noise": Corruption(_impulse_noise, (0.01, 0.02, 0.03, 0.05, 0.07)),
    "gaussian blur": Corruption(_gaussian_blur, (0.4, 0.6, 0.7, 0.8, 1.0)),
    "pixelation": Corruption(_pixelation, (1, 2, 3, 4, 5)),
    "JPEG": Corruption(_jpeg, (80, 65, 58, 50, 40)),
    "brighter": Corruption(_brighter, (0.05, 0.1, 0.15, 0.2, 0.3)),
    "darker": Corruption(_darker, (0.05, 0.1, 0.15, 0.2, 0.3)),
    "contrast": Corruption(_contrast, (0.75, 0.5, 0.4, 0.3, 0.15)),
    "posterisation": Corruption(_posterisation, (5, 4, 3, 2, 1)),
    "rotation": Corruption(_rotation, (8, 16, 24, 32, 40)),
}
