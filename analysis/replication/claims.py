"""What Cheon & Paik (2026) say, as data: each claim, the paper's number, and where ours is found.

A claim is one entry. `paper` holds numbers that the paper prints, and else what it says in words;
W is Wilcoxon's, and W = 0 means that every pair moved the same way. Where the paper gives words
alone and a rule needs a number, that number is ours, was fixed before any was measured, and stands
in the claim. “Our reading” marks what the exhibit shows in a picture alone, without a sentence or a
number that says which way.
"""

from dataclasses import dataclass

from analysis.replication import notes
from analysis.replication.evidence import Picture, Source
from analysis.replication.notes import Note
from analysis.replication.rules import Between, FallsShort, Moves, Rule, Same, Trend


@dataclass(frozen=True)
class Claim:
    says: str
    paper: str
    source: Source
    rule: Rule


@dataclass(frozen=True)
class Section:
    """One or several exhibits of the paper, and what they claim."""

    exhibit: str
    title: str
    claims: tuple[Claim, ...]
    notes: tuple[Note, ...] = ()
    pictures: tuple[Picture, ...] = ()


LOWER, HIGHER = Moves(-1), Moves(+1)
EVERY_LOWER, EVERY_HIGHER = Moves(-1, every=True), Moves(+1, every=True)

W0_30 = "W = 0, P = 1.73e-6, r = 0.873 (30 pairs)"
W0_10 = "W = 0, P = 5.06e-3, r = 0.886 (10 pairs) in each"
W0_20 = "W = 0 (20 pairs)"

_SHALLOW, _PLANE = "little_data", "heatmap-size-ece"
_PAPERS_SCORES = (
    *("maximum softmax", "maximum softmax, T tuned"),
    *("ODIN, ε and T tuned", "energy"),
)
_PAPERS_METHODS = ("temperature, of eight by ECE", "vector scaling", "isotonic")


def _pairs(study: str, grid: str, measure: str, **where: object) -> Source:
    return Source(study, "pairs", f"pairs-{grid}-{measure}", where)


def _plane() -> Source:
    return Source("depth_and_data", "heatmap", _PLANE)


MAIN = (
    Section(
        "Figs 1c,d and S1",
        "Where a network is miscalibrated",
        (
            Claim(
                "Without warm-up ECE rises with depth",
                "rises",
                _plane(),
                Trend("without_mean", "model.depth", +1, beside="data.examples"),
            ),
            Claim(
                "Without warm-up ECE rises where there are fewer data",
                "rises",
                _plane(),
                Trend("without_mean", "data.examples", -1, beside="model.depth"),
            ),
            Claim(
                "Mean ECE of all cells lies between 0 and 0.25",
                "0 to 0.25",
                _plane(),
                Between(("without_mean", "with_mean"), 0.0, 0.25),
            ),
        ),
        (notes.chance_line("depth_and_data", "size"),),
    ),
    Section(
        "Figs 2d,e and S2",
        "Depth 6, 4,000 images: loss and calibration",
        (
            Claim(
                "Test loss is lower with warm-up, in every pair",
                W0_30,
                _pairs("calibration", "noise", "nll"),
                EVERY_LOWER,
            ),
            Claim(
                "ECE is lower with warm-up, in every pair",
                W0_30,
                _pairs("calibration", "noise", "ece"),
                EVERY_LOWER,
            ),
        ),
        (
            notes.accuracy("calibration", "noise"),
            notes.chance_line("calibration", "noise"),
            notes.temperature("calibration"),
            notes.batch_statistics("controls", "arm"),
            notes.parts("controls", "arm"),
        ),
        (
            Picture("calibration", "reliability", "reliability-noise"),
            Picture("calibration", "curves", "curves"),
        ),
    ),
    Section(
        "Fig. 2f",
        "Every depth and data size",
        (
            Claim(
                "ECE is lower with warm-up in each of the 35 cells, in every pair",
                W0_10,
                _plane(),
                EVERY_LOWER,
            ),
            Claim(
                "The effect grows with depth",
                "largest for deep networks",
                _plane(),
                Trend("difference", "model.depth", -1, beside="data.examples"),
            ),
            Claim(
                "The effect grows where there are fewer data",
                "largest on little data",
                _plane(),
                Trend("difference", "data.examples", +1, beside="model.depth"),
            ),
        ),
        (notes.accuracy("depth_and_data", "size"),),
        (Picture("depth_and_data", "heatmap", _PLANE),),
    ),
    Section(
        "Fig. 2g,h",
        "ResNet-18, from scratch and fine-tuned",
        (
            Claim(
                "From scratch, ECE is lower with warm-up in every pair",
                W0_20,
                _pairs("fine_tuning", "start", "ece", condition="from scratch"),
                EVERY_LOWER,
            ),
            Claim(
                "From scratch, accuracy does not differ",
                "W = 64, P = 0.126, r = 0.342 (20 pairs)",
                _pairs("fine_tuning", "start", "accuracy", condition="from scratch"),
                Same(),
            ),
            Claim(
                "Fine-tuned, ECE is lower with warm-up in every pair",
                W0_20,
                _pairs("fine_tuning", "start", "ece", condition="fine-tuned"),
                EVERY_LOWER,
            ),
            Claim(
                "Fine-tuned, accuracy is higher with warm-up in every pair",
                W0_20,
                _pairs("fine_tuning", "start", "accuracy", condition="fine-tuned"),
                EVERY_HIGHER,
            ),
            Claim(
                "Mean ECE lies between 0 and 0.08",
                "0 to 0.08",
                _pairs("fine_tuning", "start", "ece"),
                Between(("without_mean", "with_mean"), 0.0, 0.08),
            ),
        ),
        (notes.chance_line("fine_tuning", "start"),),
    ),
    Section(
        "Fig. 3a–d",
        "The toy network before any training",
        (
            Claim(
                "Mean confidence is lower after warm-up, in every network",
                "lower",
                Source(
                    *("initial_state", "confidence_map", "confidence-map"),
                    {"condition": "toy", "metric": "test_confidence"},
                ),
                EVERY_LOWER,
            ),
            Claim(
                "Class bias is lower after warm-up",
                "lower",
                Source(
                    *("initial_state", "confidence_map", "confidence-map"),
                    {"condition": "toy", "metric": "class_bias"},
                ),
                LOWER,
            ),
        ),
        (),
        (Picture("initial_state", "confidence_map", "confidence-map"),),
    ),
    Section(
        "Figs 3e–j and S14, S15",
        "Outputs before any training, on CIFAR-10",
        (
            Claim(
                "Confidence is lower after warm-up for 2 to 10 outputs, in every network",
                "lower",
                Source("initial_state", "initial_confidence", "initial-confidence-classes"),
                EVERY_LOWER,
            ),
            Claim(
                "It falls to chance (here: to within 0.02 of 1/k)",
                "to chance",
                Source("initial_state", "initial_confidence", "initial-confidence-classes"),
                Between(("with_mean",), -0.02, 0.02, minus="chance", than="above 1/k"),
            ),
            Claim(
                "The variance of the logits is lower after warm-up, in every network",
                "lower",
                Source("initial_state", "initial_confidence", "initial-confidence-classes-logits"),
                EVERY_LOWER,
            ),
            Claim(
                "With two outputs confidence is lower after warm-up at depth 2 to 10",
                "lower",
                Source("initial_state", "initial_confidence", "initial-confidence-depth"),
                EVERY_LOWER,
            ),
            Claim(
                "There too it falls to chance (here: to within 0.02 of 1/2)",
                "to chance",
                Source("initial_state", "initial_confidence", "initial-confidence-depth"),
                Between(("with_mean",), -0.02, 0.02, minus="chance", than="above 1/k"),
            ),
        ),
        (),
        (
            Picture("initial_state", "initial_confidence", "initial-confidence-classes"),
            Picture("initial_state", "initial_confidence", "initial-confidence-depth"),
        ),
    ),
    Section(
        "Fig. 4",
        "Depth 2, 1,000 images: equal accuracy and equal epoch",
        (
            Claim(
                "At equal accuracy, 0.25, ECE is lower with warm-up in every pair (4b)",
                W0_30,
                Source(_SHALLOW, "trajectories", "trajectories-ece", {"metric": "ece_matched"}),
                EVERY_LOWER,
            ),
            Claim(
                "At the last epoch ECE is lower with warm-up in every pair (4c)",
                W0_30,
                Source(_SHALLOW, "trajectories", "trajectories-ece", {"metric": "ece_last"}),
                EVERY_LOWER,
            ),
        ),
        (
            notes.accuracy(_SHALLOW, "noise"),
            notes.chance_line(_SHALLOW, "noise"),
            notes.temperature(_SHALLOW),
        ),
        (
            Picture(_SHALLOW, "trajectories", "trajectories-paths"),
            Picture(_SHALLOW, "trajectories", "trajectories-ece"),
        ),
    ),
    Section(
        "Fig. 5",
        "Noticing SVHN, depth 2, 1,000 images",
        (
            Claim(
                "AUROC is higher with warm-up, SVHN normalised as CIFAR-10 is",
                "W = 60 (30 pairs): higher, not in every pair",
                _pairs(_SHALLOW, "noise", "ood_auroc"),
                HIGHER,
            ),
            Claim(
                "AUROC is higher with warm-up, SVHN as raw pixels (the authors' last code)",
                "W = 60 (30 pairs): higher, not in every pair",
                Source(_SHALLOW, "protocols", "protocols-raw", {"method": "maximum softmax"}),
                HIGHER,
            ),
        ),
        (notes.protocol(_SHALLOW), notes.protocol("ood_detection")),
        (
            Picture(_SHALLOW, "protocols", "protocols-roc"),
            Picture("ood_detection", "protocols", "protocols-delta"),
        ),
    ),
)

SUPPLEMENT = (
    Section(
        "S3, Table 1",
        "Other data sets",
        (
            Claim(
                "ECE is lower with warm-up on SVHN (depth 6, 4,000 images)",
                "lower on every data set",
                _pairs("calibration on svhn", "noise", "ece"),
                LOWER,
            ),
            Claim(
                "ECE is lower with warm-up on CIFAR-10, -100, SVHN, (Fashion-)MNIST and STL-10",
                "lower on every data set",
                _pairs("datasets", "data", "ece"),
                LOWER,
            ),
        ),
        (
            notes.accuracy("calibration on svhn", "noise"),
            notes.chance_line("calibration on svhn", "noise"),
        ),
    ),
    Section(
        "S4",
        "Segmentation (the paper states neither data nor network)",
        (
            Claim(
                "ECE of pixels is lower with warm-up",
                "lower",
                _pairs("segmentation", "noise", "ece"),
                LOWER,
            ),
        ),
    ),
    Section(
        "S5",
        "Language (the paper states neither data nor network)",
        (
            Claim(
                "ECE of tokens is lower with warm-up",
                "lower",
                _pairs("language", "noise", "ece"),
                LOWER,
            ),
        ),
    ),
    Section(
        "S6",
        "Feedback alignment",
        (
            Claim(
                "ECE is lower with warm-up by backpropagation and by feedback alignment",
                "lower",
                _pairs("feedback_alignment", "learning", "ece"),
                LOWER,
            ),
        ),
        (
            notes.accuracy("feedback_alignment", "learning"),
            notes.chance_line("feedback_alignment", "learning"),
        ),
    ),
    Section(
        "S7, Table 2",
        "Ten convolutional networks and a transformer",
        (
            Claim(
                "ECE is lower with warm-up in every architecture",
                "lower",
                _pairs("architectures", "network", "ece"),
                LOWER,
            ),
        ),
    ),
    Section(
        "S8, Table 3",
        "ResNet-18 on little data",
        (
            Claim(
                "ECE is lower with warm-up at every data size",
                "lower",
                _pairs("resnet_data", "size", "ece"),
                LOWER,
            ),
        ),
    ),
    Section(
        "S9",
        "Beside calibration afterwards",
        (
            Claim(
                "Uncalibrated, ECE is lower with warm-up",
                "lower",
                Source(_SHALLOW, "posthoc", "posthoc-ece", {"method": "none"}),
                LOWER,
            ),
            Claim(
                "It is lower with warm-up after temperature, vector and isotonic calibration too",
                "lower (our reading)",
                Source(_SHALLOW, "posthoc", "posthoc-ece", {"method": _PAPERS_METHODS}),
                LOWER,
            ),
        ),
        (notes.temperature(_SHALLOW),),
    ),
    Section(
        "S10",
        "Noise distributions (the paper's list is not stated: ours)",
        (
            Claim(
                "ECE is lower with warm-up on noise of every distribution",
                "for every distribution",
                _pairs("noise_ablation", "distribution", "ece"),
                LOWER,
            ),
        ),
        (
            notes.accuracy("noise_ablation", "distribution"),
            notes.chance_line("noise_ablation", "distribution"),
        ),
        (Picture("noise_ablation", "pairs", "pairs-distribution"),),
    ),
    Section(
        "S11",
        "Strengths of the noise (the paper's list is not stated: ours)",
        (
            Claim(
                "ECE is lower with warm-up on Gaussian noise of every s.d.",
                "for every variance",
                _pairs("noise_ablation", "std", "ece"),
                LOWER,
            ),
        ),
        (notes.chance_line("noise_ablation", "std"),),
        (Picture("noise_ablation", "pairs", "pairs-std-curve"),),
    ),
    Section(
        "S12",
        "What it costs",
        (
            Claim(
                "Warm-up takes little beside the task (here: 10 % of its examples at most)",
                "negligible; of ResNet-18, 0.25 M of 2.5 M examples",
                Source(
                    *("warmup_length", "overhead", "overhead-length"),
                    {"warmup_examples": 480_000},
                ),
                Between(("overhead_examples",), 0.0, 0.1, share=True),
            ),
        ),
        (notes.enough("warmup_length", "length"),),
        (Picture("warmup_length", "overhead", "overhead-length-curve"),),
    ),
    Section(
        "S13",
        "Weights and activations after the warm-up",
        (
            Claim(
                "Weights barely change (here: by 10 % of their norm at most, in every layer)",
                "barely",
                Source("dynamics", "layers", "layers", {"metric": "output_std"}),
                Between(("change_mean",), 0.0, 0.1, share=True),
            ),
            Claim(
                "The spread of the outputs shrinks in every layer",
                "shrinks",
                Source("dynamics", "layers", "layers", {"metric": "output_std"}),
                LOWER,
            ),
            Claim(
                "It shrinks the more the deeper the layer",
                "layer by layer",
                Source("dynamics", "layers", "layers", {"metric": "output_std"}),
                Trend("ratio", "number", -1),
            ),
        ),
        (),
        (Picture("dynamics", "layers", "layers"),),
    ),
    Section(
        "S17",
        "On data never seen, along the warm-up",
        (
            Claim(
                "Confidence on CIFAR-10 and on SVHN falls over the warm-up, in every network",
                "falls",
                Source(
                    *("dynamics", "warmup_curves", "warmup_curves"),
                    {"set": ("test", "ood"), "metric": "confidence"},
                ),
                EVERY_LOWER,
            ),
            Claim(
                "It ends at chance (here: within 0.02 of 0.1)",
                "at chance",
                Source(
                    *("dynamics", "warmup_curves", "warmup_curves"),
                    {"set": ("test", "ood"), "metric": "confidence"},
                ),
                Between(("after_mean",), 0.08, 0.12),
            ),
            Claim(
                "Accuracy on CIFAR-10 stays at chance (here: within 0.02 of 0.1)",
                "at chance",
                Source(
                    *("dynamics", "warmup_curves", "warmup_curves"),
                    {"set": "test", "metric": "accuracy"},
                ),
                Between(("before_mean", "after_mean"), 0.08, 0.12),
            ),
            Claim(
                "ECE on CIFAR-10 falls over the warm-up, in every network",
                "falls (our reading)",
                Source(
                    *("dynamics", "warmup_curves", "warmup_curves"),
                    {"set": "test", "metric": "ece"},
                ),
                EVERY_LOWER,
            ),
        ),
        (),
        (Picture("dynamics", "warmup_curves", "warmup_curves"),),
    ),
    Section(
        "S18",
        "Gradients at the start of the task",
        (
            Claim(
                "Their variance is lower with warm-up in every layer",
                "lower (our reading)",
                Source("dynamics", "gradients", "gradients", {"metric": "gradient_variance"}),
                LOWER,
            ),
            Claim(
                "Their norm is more even over the layers with warm-up",
                "more even (our reading)",
                Source(
                    *("dynamics", "gradients", "gradients-evenness"),
                    {"metric": "gradient_norm_evenness"},
                ),
                LOWER,
            ),
        ),
    ),
    Section(
        "S19, S20 and S22",
        "The loss landscape",
        (
            Claim(
                "Around the start of the task the loss rises less with warm-up (S19)",
                "smoother",
                Source(
                    *("landscape", "landscape", "landscape-roughness"),
                    {"epoch": 0, "metric": "rise_one"},
                ),
                LOWER,
            ),
            Claim(
                "Around the start fewer stretches of the loss are not convex (S19)",
                "smoother (our reading)",
                Source(
                    *("landscape", "landscape", "landscape-roughness"),
                    {"epoch": 0, "metric": "nonconvex"},
                ),
                LOWER,
            ),
            Claim(
                "The same rise is lower at every moment of the training (S20)",
                "smoother",
                Source(
                    *("landscape", "landscape", "landscape-roughness"),
                    {"metric": "rise_one"},
                ),
                LOWER,
            ),
            Claim(
                "ECE on the plane around the weights is lower at start and end (S22)",
                "lower (our reading)",
                Source("landscape", "landscape", "landscape-plane", {"metric": "plane_ece"}),
                LOWER,
            ),
        ),
        (),
        (Picture("landscape", "landscape", "landscape-slices"),),
    ),
    Section(
        "S21",
        "Flat minima",
        (
            Claim(
                "At the end the Hessian's largest eigenvalue is lower with warm-up",
                "flatter",
                Source(
                    *("landscape", "curvature", "curvature"), {"epoch": 30, "metric": "eigenvalue"}
                ),
                LOWER,
            ),
            Claim(
                "At the end its trace is lower with warm-up",
                "flatter",
                Source(*("landscape", "curvature", "curvature"), {"epoch": 30, "metric": "trace"}),
                LOWER,
            ),
        ),
        (),
        (Picture("landscape", "curvature", "curvature"),),
    ),
    Section(
        "S23",
        "Neither the learning rate nor the weights' distribution",
        (
            Claim(
                "A step size as after the warm-up does not do what warm-up does",
                "does not",
                Source("controls", "controls", "controls-arm-ece", {"arm": "step size alone"}),
                FallsShort(),
            ),
            Claim(
                "The warmed-up weights, shuffled, do not do what warm-up does",
                "do not",
                Source("controls", "controls", "controls-arm-ece", {"arm": "weights shuffled"}),
                FallsShort(),
            ),
        ),
        (notes.parts("controls", "arm"),),
        (Picture("controls", "controls", "controls-arm"),),
    ),
    Section(
        "S16",
        "Modern networks before any training",
        (
            Claim(
                "Confidence of ResNet-18, DenseNet-121 and ViT is lower after warm-up",
                "lower",
                Source("initial_networks", "initial_confidence", "initial-confidence-network"),
                EVERY_LOWER,
            ),
        ),
    ),
    Section(
        "S24, S25, Tables 4 and 5",
        "Noticing SVHN, by architecture and by data size",
        (
            Claim(
                "AUROC is higher with warm-up in every architecture",
                "higher",
                _pairs("architectures", "network", "ood_auroc"),
                HIGHER,
            ),
            Claim(
                "AUROC of ResNet-18 is higher with warm-up at every data size",
                "higher",
                _pairs("resnet_data", "size", "ood_auroc"),
                HIGHER,
            ),
        ),
    ),
    Section(
        "S26",
        "Scores of unseen data: softmax, temperature, ODIN, energy",
        (
            Claim(
                "AUROC is higher with warm-up by each of the four, SVHN normalised",
                "higher (our reading)",
                Source(_SHALLOW, "protocols", "protocols-normalised", {"method": _PAPERS_SCORES}),
                HIGHER,
            ),
            Claim(
                "AUROC is higher with warm-up by each of the four, SVHN as raw pixels",
                "higher (our reading)",
                Source(_SHALLOW, "protocols", "protocols-raw", {"method": _PAPERS_SCORES}),
                HIGHER,
            ),
        ),
        (notes.protocol("ood_detection"),),
    ),
    Section(
        "S27",
        "Conformal prediction (score and α not stated: LAC, 0.1)",
        (
            Claim(
                "Coverage is as promised in both arms (here: within 0.02 of 0.9)",
                "kept (our reading)",
                Source(_SHALLOW, "conformal", "conformal-coverage", {"method": "LAC, α = 0.1"}),
                Between(("without_mean", "with_mean"), 0.88, 0.92),
            ),
            Claim(
                "The size of its sets tells unseen from known images better with warm-up",
                "higher AUROC (our reading)",
                Source(
                    *(_SHALLOW, "conformal", "conformal-ood_auroc_set_size"),
                    {"method": "LAC, α = 0.1"},
                ),
                HIGHER,
            ),
        ),
    ),
)

SECTIONS = (*MAIN, *SUPPLEMENT)
CLAIMS = tuple(claim for section in SECTIONS for claim in section.claims)


def asked_of(study: str) -> tuple[tuple[Source, ...], tuple[Picture, ...]]:
    """The rows and the pictures that the page wants of a study, by its run's key."""
    sources = [claim.source for claim in CLAIMS]
    sources += [source for s in SECTIONS for note in s.notes for source in note.sources]
    pictures = [picture for section in SECTIONS for picture in section.pictures]
    return (
        tuple(source for source in sources if source.study == study),
        tuple(dict.fromkeys(picture for picture in pictures if picture.study == study)),
    )
