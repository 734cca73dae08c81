"""Supplementary Figs 12 to 23: what warm-up costs, and what it does to a network."""

from collections.abc import Mapping
from typing import Any

from analysis.replication import notes
from analysis.replication.claim import EVERY_LOWER, LOWER, OURS_EVERY, Claim, Section
from analysis.replication.evidence import Picture, Source
from analysis.replication.rules import Between, FallsShort, Trend


def _along(sets: str | tuple[str, ...], metric: str) -> Source:
    """Before and after the warm-up."""
    where = {"set": sets, "metric": metric}
    return Source("dynamics", "warmup_curves", "warmup_curves", where)


def _roughness(where: Mapping[str, Any]) -> Source:
    return Source("landscape", "landscape", "landscape-roughness", where)


MECHANISM = (
    Section(
        "S12",
        "What it costs (depth 6, 4,000 images)",
        (
            Claim(
                "Warm-up takes little beside an MLP's task (here: 10 % of its examples at most)",
                "negligible, of ResNet-18: 0.25 M of 2.5 M examples (of an MLP: our reading)",
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
        "Weights and activations after the warm-up (depth 6)",
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
                Trend("ratio", "number", -1, "shrinks more", "the next layer"),
            ),
        ),
        (notes.spreads("dynamics"),),
        (Picture("dynamics", "layers", "layers"),),
    ),
    Section(
        "S16",
        "Modern networks before any training",
        (
            Claim(
                "Confidence of ResNet-18, DenseNet-121 and ViT is lower, in every network",
                OURS_EVERY,
                Source("initial_networks", "initial_confidence", "initial-confidence-network"),
                EVERY_LOWER,
            ),
        ),
    ),
    Section(
        "S17",
        "On data never seen, along the warm-up (depth 6)",
        (
            Claim(
                "Confidence on CIFAR-10 and on SVHN falls over the warm-up, in every network",
                "falls (that every network's does: ours)",
                _along(("test", "ood"), "confidence"),
                EVERY_LOWER,
            ),
            Claim(
                "It ends at chance (here: within 0.02 of 0.1)",
                "at chance",
                _along(("test", "ood"), "confidence"),
                Between(("after_mean",), 0.08, 0.12),
            ),
            Claim(
                "Accuracy on CIFAR-10 stays at chance (here: within 0.02 of 0.1)",
                "at chance",
                _along("test", "accuracy"),
                Between(("before_mean", "after_mean"), 0.08, 0.12),
            ),
            Claim(
                "ECE on CIFAR-10 falls over the warm-up, in every network",
                "falls (our reading)",
                _along("test", "ece"),
                EVERY_LOWER,
            ),
            Claim(
                "Accuracy on the noise itself stays at chance (here: within 0.02 of 0.1)",
                "at chance",
                _along("noise", "accuracy"),
                Between(("before_mean", "after_mean"), 0.08, 0.12),
            ),
        ),
        (),
        (Picture("dynamics", "warmup_curves", "warmup_curves"),),
    ),
    Section(
        "S18",
        "Gradients at the start of the task (depth 6, 4,000 images)",
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
        "The loss landscape (depth 2, 1,000 images)",
        (
            Claim(
                "Around the start of the task the loss rises less with warm-up (S19)",
                "smoother",
                _roughness({"epoch": 0, "metric": "rise_one"}),
                LOWER,
            ),
            Claim(
                "Around the start fewer stretches of the loss are not convex (S19)",
                "smoother (our reading)",
                _roughness({"epoch": 0, "metric": "nonconvex"}),
                LOWER,
            ),
            Claim(
                "The same rise is lower at every moment of the training (S20)",
                "smoother",
                _roughness({"metric": "rise_one"}),
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
        "Flat minima (depth 2, 1,000 images)",
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
        "Neither the learning rate nor the weights' distribution (depth 6, 4,000 images)",
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
)
