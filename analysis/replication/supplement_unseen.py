"""Supplementary Figs 24 to 27: noticing inputs never seen, and conformal sets."""

from analysis.replication import notes
from analysis.replication.claim import HIGHER, SCORES, SHALLOW, Claim, Section, noticed_too, pairs
from analysis.replication.evidence import Source
from analysis.replication.rules import Between

UNSEEN = (
    Section(
        "S24, S25, Tables 4 and 5",
        "Noticing SVHN, by architecture and by data size",
        (
            Claim(
                "AUROC is higher with warm-up in every architecture (maximum softmax)",
                "higher",
                pairs("architectures", "network", "ood_auroc"),
                HIGHER,
            ),
            Claim(
                "AUROC of ResNet-18 is higher with warm-up at every data size (maximum softmax)",
                "higher",
                pairs("resnet_data", "size", "ood_auroc"),
                HIGHER,
            ),
            noticed_too("architectures", "in every architecture"),
            noticed_too("resnet_data", "at every data size"),
        ),
    ),
    Section(
        "S26",
        "Scores of unseen data: softmax, temperature, ODIN, energy (depth 2, 1,000 images)",
        (
            Claim(
                "AUROC is higher with warm-up by each of the four, SVHN normalised",
                "higher (our reading)",
                Source(SHALLOW, "protocols", "protocols-normalised", {"method": SCORES}),
                HIGHER,
            ),
            Claim(
                "AUROC is higher with warm-up by each of the four, SVHN as raw pixels",
                "higher (our reading)",
                Source(SHALLOW, "protocols", "protocols-raw", {"method": SCORES}),
                HIGHER,
            ),
        ),
        (notes.protocol("ood_detection"),),
    ),
    Section(
        "S27",
        "Conformal prediction (score and α not stated: LAC, 0.1; depth 2, 1,000 images)",
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
