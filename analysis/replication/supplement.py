"""The claims of the supplementary figures and tables."""

from analysis.replication import notes
from analysis.replication.claim import (
    EVERY_LOWER,
    HIGHER,
    LOWER,
    SHALLOW,
    Claim,
    Section,
    pairs,
)
from analysis.replication.evidence import Picture, Source
from analysis.replication.rules import Between, FallsShort, Trend

_PAPERS_SCORES = (
    *("maximum softmax", "maximum softmax, T tuned"),
    *("ODIN, ε and T tuned", "energy"),
)
_PAPERS_METHODS = ("temperature, of eight by ECE", "vector scaling", "isotonic")

SUPPLEMENT = (
    Section(
        "S3, Table 1",
        "Other data sets",
        (
            Claim(
                "ECE is lower with warm-up on SVHN (depth 6, 4,000 images)",
                "lower on every data set",
                pairs("calibration on svhn", "noise", "ece"),
                LOWER,
            ),
            Claim(
                "ECE is lower with warm-up on CIFAR-10, -100, SVHN, (Fashion-)MNIST and STL-10",
                "lower on every data set",
                pairs("datasets", "data", "ece"),
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
                pairs("segmentation", "noise", "ece"),
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
                pairs("language", "noise", "ece"),
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
                pairs("feedback_alignment", "learning", "ece"),
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
                pairs("architectures", "network", "ece"),
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
                pairs("resnet_data", "size", "ece"),
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
                Source(SHALLOW, "posthoc", "posthoc-ece", {"method": "none"}),
                LOWER,
            ),
            Claim(
                "It is lower with warm-up after temperature, vector and isotonic calibration too",
                "lower (our reading)",
                Source(SHALLOW, "posthoc", "posthoc-ece", {"method": _PAPERS_METHODS}),
                LOWER,
            ),
        ),
        (notes.temperature(SHALLOW),),
    ),
    Section(
        "S10",
        "Noise distributions (the paper's list is not stated: ours)",
        (
            Claim(
                "ECE is lower with warm-up on noise of every distribution",
                "for every distribution",
                pairs("noise_ablation", "distribution", "ece"),
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
                pairs("noise_ablation", "std", "ece"),
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
                "Warm-up takes little beside the task (here: of the MLP's examples 10 % at most)",
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
                Trend("ratio", "number", -1, called="layer"),
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
                pairs("architectures", "network", "ood_auroc"),
                HIGHER,
            ),
            Claim(
                "AUROC of ResNet-18 is higher with warm-up at every data size",
                "higher",
                pairs("resnet_data", "size", "ood_auroc"),
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
                Source(SHALLOW, "protocols", "protocols-normalised", {"method": _PAPERS_SCORES}),
                HIGHER,
            ),
            Claim(
                "AUROC is higher with warm-up by each of the four, SVHN as raw pixels",
                "higher (our reading)",
                Source(SHALLOW, "protocols", "protocols-raw", {"method": _PAPERS_SCORES}),
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
                Source(SHALLOW, "conformal", "conformal-coverage", {"method": "LAC, α = 0.1"}),
                Between(("without_mean", "with_mean"), 0.88, 0.92),
            ),
            Claim(
                "The size of its sets tells unseen from known images better with warm-up",
                "higher AUROC (our reading)",
                Source(
                    *(SHALLOW, "conformal", "conformal-ood_auroc_set_size"),
                    {"method": "LAC, α = 0.1"},
                ),
                HIGHER,
            ),
        ),
    ),
)
