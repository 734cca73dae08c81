"""The claims of the paper's own figures, 1 to 5."""

from analysis.replication import notes
from analysis.replication.claim import (
    EVERY_HIGHER,
    EVERY_LOWER,
    HIGHER,
    LOWER,
    OURS_EVERY,
    SHALLOW,
    Claim,
    Section,
    pairs,
)
from analysis.replication.evidence import Picture, Source
from analysis.replication.rules import Between, Same, Trend

W0_30 = "W = 0, P = 1.73e-6, r = 0.873 (30 pairs)"
W0_10 = "W = 0, P = 5.06e-3, r = 0.886 (10 pairs) in each"
W0_20 = "W = 0 (20 pairs)"


def _plane() -> Source:
    return Source("depth_and_data", "heatmap", "heatmap-size-ece")


MAIN = (
    Section(
        "Figs 1c,d and S1",
        "Where a network is miscalibrated",
        (
            Claim(
                "Without warm-up ECE rises with depth",
                "rises",
                _plane(),
                Trend("without_mean", "model.depth", +1, "rises", "more depth", "data.examples"),
            ),
            Claim(
                "Without warm-up ECE rises where there are fewer data",
                "rises",
                _plane(),
                Trend("without_mean", "data.examples", -1, "rises", "fewer images", "model.depth"),
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
                pairs("calibration", "noise", "nll"),
                EVERY_LOWER,
            ),
            Claim(
                "ECE is lower with warm-up, in every pair",
                W0_30,
                pairs("calibration", "noise", "ece"),
                EVERY_LOWER,
            ),
        ),
        (
            notes.accuracy("calibration", "noise"),
            notes.sides("calibration", "noise"),
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
                Trend("difference", "model.depth", -1, "grows", "more depth", "data.examples"),
            ),
            Claim(
                "The effect grows where there are fewer data",
                "largest on little data",
                _plane(),
                Trend("difference", "data.examples", +1, "grows", "fewer images", "model.depth"),
            ),
        ),
        (
            notes.extremes(_plane()),
            notes.accuracy("depth_and_data", "size"),
            notes.sides("depth_and_data", "size"),
            notes.where_it_helps("depth_and_data", "size"),
        ),
        (Picture("depth_and_data", "heatmap", "heatmap-size-ece"),),
        _plane(),
    ),
    Section(
        "Fig. 2g,h",
        "ResNet-18, from scratch and fine-tuned",
        (
            Claim(
                "From scratch, ECE is lower with warm-up in every pair",
                W0_20,
                pairs("fine_tuning", "start", "ece", condition="from scratch"),
                EVERY_LOWER,
            ),
            Claim(
                "From scratch, accuracy does not differ",
                "W = 64, P = 0.126, r = 0.342 (20 pairs)",
                pairs("fine_tuning", "start", "accuracy", condition="from scratch"),
                Same(),
            ),
            Claim(
                "Fine-tuned, ECE is lower with warm-up in every pair",
                W0_20,
                pairs("fine_tuning", "start", "ece", condition="fine-tuned"),
                EVERY_LOWER,
            ),
            Claim(
                "Fine-tuned, accuracy is higher with warm-up in every pair",
                W0_20,
                pairs("fine_tuning", "start", "accuracy", condition="fine-tuned"),
                EVERY_HIGHER,
            ),
            Claim(
                "Mean ECE lies between 0 and 0.08",
                "0 to 0.08",
                pairs("fine_tuning", "start", "ece"),
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
                OURS_EVERY,
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
                OURS_EVERY,
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
                OURS_EVERY,
                Source("initial_state", "initial_confidence", "initial-confidence-classes-logits"),
                EVERY_LOWER,
            ),
            Claim(
                "With two outputs it is lower at depth 2 to 10, in every network",
                OURS_EVERY,
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
                Source(SHALLOW, "trajectories", "trajectories-ece", {"metric": "ece_matched"}),
                EVERY_LOWER,
            ),
            Claim(
                "At the last epoch ECE is lower with warm-up in every pair (4c)",
                W0_30,
                Source(SHALLOW, "trajectories", "trajectories-ece", {"metric": "ece_last"}),
                EVERY_LOWER,
            ),
        ),
        (
            notes.accuracy(SHALLOW, "noise"),
            notes.sides(SHALLOW, "noise"),
            notes.chance_line(SHALLOW, "noise"),
            notes.temperature(SHALLOW),
        ),
        (
            Picture(SHALLOW, "trajectories", "trajectories-paths"),
            Picture(SHALLOW, "trajectories", "trajectories-ece"),
        ),
    ),
    Section(
        "Fig. 5",
        "Noticing SVHN, depth 2, 1,000 images",
        (
            Claim(
                "AUROC is higher with warm-up, SVHN normalised as CIFAR-10 is",
                "W = 60 (30 pairs): higher, not in every pair",
                pairs(SHALLOW, "noise", "ood_auroc"),
                HIGHER,
            ),
            Claim(
                "AUROC is higher with warm-up, SVHN as raw pixels (the authors' last code)",
                "W = 60 (30 pairs): higher, not in every pair",
                Source(SHALLOW, "protocols", "protocols-raw", {"method": "maximum softmax"}),
                HIGHER,
            ),
        ),
        (notes.protocol(SHALLOW), notes.protocol("ood_detection")),
        (
            Picture(SHALLOW, "protocols", "protocols-roc"),
            Picture("ood_detection", "protocols", "protocols-delta"),
        ),
    ),
)
