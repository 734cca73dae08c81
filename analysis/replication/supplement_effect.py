"""Supplementary Figs 3 to 11: for which data, networks, rules and noise ECE is lower."""

from analysis.replication import notes
from analysis.replication.claim import (
    LOWER,
    POSTHOC,
    SHALLOW,
    Claim,
    Section,
    calibrated_too,
    pairs,
)
from analysis.replication.evidence import Picture, Source

EFFECT = (
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
            notes.sides("calibration on svhn", "noise"),
            notes.chance_line("calibration on svhn", "noise"),
            notes.temperature("calibration on svhn"),
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
        "Feedback alignment (depth 3, 4,000 images)",
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
            notes.sides("feedback_alignment", "learning"),
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
            calibrated_too("architectures"),
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
            calibrated_too("resnet_data"),
        ),
    ),
    Section(
        "S9",
        "Beside calibration afterwards (depth 2, 1,000 images)",
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
                Source(SHALLOW, "posthoc", "posthoc-ece", {"method": POSTHOC}),
                LOWER,
            ),
        ),
        (notes.temperature(SHALLOW),),
    ),
    Section(
        "S10",
        "Noise distributions (the paper's list is not stated: ours; depth 6, 4,000 images)",
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
            notes.sides("noise_ablation", "distribution"),
            notes.chance_line("noise_ablation", "distribution"),
        ),
        (Picture("noise_ablation", "pairs", "pairs-distribution"),),
        pairs("noise_ablation", "distribution", "ece"),
    ),
    Section(
        "S11",
        "Strengths of the noise (the paper's list is not stated: ours; depth 6, 4,000 images)",
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
)
