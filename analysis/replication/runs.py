"""What is run to hold the paper against: studies, pairs, data, and how long that takes.

In the order in which it is run: what the paper rests on first, and what takes from a study after
it. Hours on two CPU cores with nothing else to do are from the examples to be seen, at 20,000 a
second in training and 80,000 in measuring (an MLP of depth 6, both cores; `--dry-run` measures the
machine at hand). Hours on a GPU are not measured: 6,000 images a second for a ResNet-18 at 32×32,
1,200 at 224×224, and a third of that for the larger networks.
"""

from dataclasses import dataclass

SCALE = "paper"
COMMAND = "make replication IMAGES=FOLDER"
GPU_COMMAND = "make replication IMAGES=FOLDER GPUS=1"


@dataclass(frozen=True)
class Run:
    """One launch of a study."""

    study: str
    pairs: int  # of a condition
    hours: float
    data: str = "cifar10"  # file of the folder of images, without its ending
    ood: str = "svhn"
    without_gpu: tuple[str, ...] = ()  # grids that two cores can run; none: all of them
    gpu: bool = False  # whether it needs one

    @property
    def key(self) -> str:
        """What the study is called where its numbers are kept."""
        return self.study if self.data == "cifar10" else f"{self.study} on {self.data}"


RUNS = (
    Run("calibration", 30, 0.5),
    Run("little_data", 30, 0.6),
    Run("controls", 10, 0.4),
    Run("initial_state", 30, 2.0, without_gpu=("toy", "classes", "depth")),
    Run("dynamics", 10, 0.2),
    Run("landscape", 10, 0.5),
    Run("noise_ablation", 6, 1.4),
    Run("warmup_length", 10, 0.4),
    Run("feedback_alignment", 10, 0.4),
    Run("calibration", 10, 0.2, data="svhn", ood="cifar10"),
    Run("ood_detection", 10, 0.6),
    Run("depth_and_data", 4, 1.7),
    Run("depth_and_data", 10, 2.6),
    Run("fine_tuning", 20, 15.0, gpu=True),
    Run("resnet_data", 10, 6.0, gpu=True),
    Run("architectures", 10, 75.0, gpu=True),
)
