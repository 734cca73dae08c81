"""What is run to hold the paper against: studies, pairs, data, and how long that takes.

In the order in which it is run: what the paper rests on first, then what is shorter, and what takes
from a study after it. What is for GPUs is cut down to the scale `laptop` where there are none.

Hours on two CPU cores with nothing else to do are from the examples to be seen, at 20,000 a second
in training and 80,000 in measuring (an MLP of depth 6, both cores; `--dry-run` measures the machine
at hand). Hours on a GPU are not measured: 6,000 images a second for a ResNet-18 at 32×32, 1,200 at
224×224, and a third of that for the larger networks.
"""

from dataclasses import dataclass

SCALE, CUT_SCALE = "paper", "laptop"
COMMAND = "make replication IMAGES=FOLDER"


@dataclass(frozen=True)
class Run:
    """One launch of a study."""

    study: str
    pairs: int  # of a condition
    hours: float
    data: str = "cifar10"  # file of the folder of images, without its ending
    ood: str = "svhn"
    grids: tuple[str, ...] = ()  # of the study; none: all of them
    called: str = ""  # what the study is called in MLflow, where not by its name
    gpu: bool = False  # whether it needs one
    downloads: bool = False  # weights or data that are in no file of the folder
    own_data: bool = False  # those that the study names
    scale: str = SCALE
    halves: bool = False  # learns from half of the test images where there are no others

    @property
    def key(self) -> str:
        """What the study is called where its numbers are kept."""
        return f"{self.subject}, cut down" if self.cut else self.subject

    @property
    def subject(self) -> str:
        """What it is called where claims name it."""
        return self.name if self.data == "cifar10" else f"{self.name} on {self.data}"

    @property
    def cut(self) -> bool:
        """Whether it is not the paper's scale, but what two CPU cores can do of it."""
        return self.scale != SCALE

    @property
    def name(self) -> str:
        """Of the study, in MLflow."""
        return self.called or self.study

    @property
    def command(self) -> str:
        """Of this one alone."""
        more = f" ONLY={self.name}"
        more += " GPUS=1" if self.gpu else ""
        return COMMAND + more + (" DOWNLOAD=1" if self.downloads else "")


RUNS = (
    Run("calibration", 30, 0.5),
    Run("little_data", 30, 0.6),
    Run("controls", 10, 0.4),
    Run("dynamics", 10, 0.2),
    Run("landscape", 10, 0.5),
    Run("warmup_length", 10, 0.4),
    Run("feedback_alignment", 10, 0.4),
    Run("calibration", 10, 0.2, data="svhn", ood="cifar10", halves=True),
    Run("ood_detection", 10, 0.6),
    Run("noise_ablation", 6, 1.4),
    Run("depth_and_data", 4, 1.7),
    Run("initial_state", 30, 2.0, grids=("toy", "classes", "depth")),
    Run("segmentation", 6, 0.1, own_data=True, scale=CUT_SCALE),
    Run("language", 6, 0.1, own_data=True, scale=CUT_SCALE),
    Run("resnet_data", 4, 0.2, scale=CUT_SCALE),
    Run("fine_tuning", 6, 0.2, scale=CUT_SCALE),
    Run("architectures", 4, 0.4, scale=CUT_SCALE),
    Run("initial_state", 4, 0.1, grids=("network",), called="initial_networks", scale=CUT_SCALE),
    Run("depth_and_data", 10, 2.6),
    Run("datasets", 10, 2.0, downloads=True, own_data=True),
    Run("segmentation", 10, 3.0, gpu=True, downloads=True, own_data=True),
    Run("language", 10, 2.0, gpu=True, own_data=True),
    Run("initial_state", 10, 2.0, grids=("network",), called="initial_networks", gpu=True),
    Run("fine_tuning", 20, 15.0, gpu=True, downloads=True),
    Run("resnet_data", 10, 6.0, gpu=True),
    Run("architectures", 10, 75.0, gpu=True),
)
