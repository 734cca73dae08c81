"""Methods × arms: the tables hold what the metrics give for each record, and the best in bold."""

import numpy as np
import pytest
from exhibited import table
from studies import Spec, make_results, one_condition

from analysis.exhibits import EXHIBITS
from analysis.exhibits.common.text import Bold
from analysis.metrics.detection import tuned_detection
from analysis.metrics.ood_feature_scores import fdbd, nnguide, relative_mahalanobis, she
from analysis.metrics.ood_scores import mahalanobis, nearest_neighbour, ood_detection, vim
from analysis.metrics.posthoc import METHODS, posthoc_calibration
from analysis.metrics.split_conformal import conformal_prediction
from analysis.rendering.table_formats import to_html, to_latex, to_markdown
from analysis.results.study_results import pairs

NAMES = ("posthoc", "detection", "conformal")
LOWER_IS_BETTER = (
    "ece", "nll", "fpr95", "openood_fpr95", "size_stratified_violation", "covgap",
)  # fmt: skip


@pytest.fixture(scope="module")
def study():
    return make_results(Spec(replicates=7))


@pytest.fixture(scope="module")
def exhibits(study):
    return {name: EXHIBITS[name](study) for name in NAMES}


def values(exhibits, name, method):
    found = table(exhibits[name.split("-")[0]], name).values
    return found.set_index("method").loc[method]


def members(study, arm):
    """(replicate, record) of the complete pairs of the first condition."""
    return [(pair[arm].replicate, pair[arm].record) for pair in pairs(study, "gaussian")]


@pytest.mark.parametrize(("arm", "column"), [(0, "without_mean"), (1, "with_mean")])
def test_a_tables_means_are_those_of_the_metrics_record_by_record(study, exhibits, arm, column):
    found = members(study, arm)
    posthoc = [posthoc_calibration(r.logits["test"], r.labels["test"], s) for s, r in found]
    expected = np.mean([result["isotonic"].ece for result in posthoc])
    assert values(exhibits, "posthoc-ece", "isotonic")[column] == pytest.approx(expected)
    expected = np.mean([result["vector"].nll for result in posthoc])
    assert values(exhibits, "posthoc-nll", "vector scaling")[column] == pytest.approx(expected)

    detected = [ood_detection(r.logits["test"], r.logits["ood"], s) for s, r in found]
    expected = np.mean([result["energy"].fpr95 for result in detected])
    assert values(exhibits, "detection-fpr95", "energy")[column] == pytest.approx(expected)

    conformed = [
        conformal_prediction(r.logits["test"], r.labels["test"], r.logits["ood"], (0.1,), s)
        for s, r in found
    ]
    expected = np.mean([result["lac", 0.1].mean_set_size for result in conformed])
    row = values(exhibits, "conformal-mean_set_size", "LAC, α = 0.1")
    assert row[column] == pytest.approx(expected)


def test_every_method_has_its_row_and_none_where_it_has_no_such_number(exhibits):
    tables = {t.name: t.shown for t in exhibits["posthoc"].tables}
    assert len(tables["posthoc-ece"]) == len(METHODS)
    assert not {"isotonic", "histogram binning"} & set(tables["posthoc-nll"]["Method"])


def test_the_best_mean_over_methods_and_arms_is_bold(exhibits):
    for exhibit in exhibits.values():
        for found in exhibit.tables:
            if found.name.split("-")[1] in ("tuned", "coverage", "mean_set_size", "worst_slice"):
                continue
            bold = found.shown.map(lambda cell: isinstance(cell, Bold))
            means = found.values[["without_mean", "with_mean"]].to_numpy()
            lower = found.name.split("-")[1] in LOWER_IS_BETTER
            best = means.min() if lower else means.max()
            columns = [c for c in found.shown if c.endswith((" without", " with"))]
            assert bold[columns].to_numpy().tolist() == (means == best).tolist(), found.name
            assert bold.to_numpy().sum() == (means == best).sum()


def test_where_the_paper_states_no_direction_no_pair_is_counted(exhibits):
    tables = {t.name: t for t in exhibits["conformal"].tables}
    assert tables["conformal-coverage"].values["moved_as_the_paper"].isna().all()
    assert set(tables["conformal-coverage"].shown["As the paper"]) == {"—"}
    assert tables["conformal-ood_auroc_set_size"].values["moved_as_the_paper"].notna().all()


def test_bold_is_bold_in_every_format(exhibits):
    shown = exhibits["posthoc"].tables[0].shown
    (cell,) = {c for c in shown.to_numpy().ravel() if isinstance(c, Bold)}
    assert f"**{cell}**" in to_markdown(shown)
    assert f"<b>{cell}</b>" in to_html(shown)
    assert r"\textbf{" + cell.split(" ")[0] in to_latex(shown, "c", "l")


def test_every_table_in_latex_is_plain_text_that_any_engine_compiles(study):
    for build in EXHIBITS.values():
        exhibit = build(study)
        for found in exhibit.tables:
            assert to_latex(found.shown, f"{found.title}. {exhibit.caption}", found.name).isascii()


def test_holm_runs_over_the_methods_of_a_table(exhibits):
    p_values = exhibits["posthoc"].tables[0].values[["p_exact", "p_holm"]]
    assert (p_values["p_holm"] >= p_values["p_exact"]).all()
    assert p_values["p_holm"].min() < 1
    assert p_values["p_holm"].min() == pytest.approx(p_values["p_exact"].min() * len(METHODS))


def test_tuned_parameters_are_counted_once_a_network(exhibits):
    tuned = table(exhibits["detection"], "detection-tuned").shown
    for cell in tuned[["Without", "With"]].to_numpy().ravel():
        assert sum(int(part.rsplit("×", 1)[1]) for part in cell.split(";")) == 7


def test_odin_stands_in_the_tables_where_a_probe_has_measured_it():
    results = make_results(Spec(replicates=6))
    rng = np.random.default_rng(0)
    for trial in results.trials:
        for split, count in (("test", 400), ("ood", 400)):
            for kind in ("confidence", "energy"):
                shift = np.array([0.0, 3.0])[:, None, None] * (split == "test")
                scores = rng.normal(size=(2, 1, count)) + shift
                trial.record.probes[f"odin/{split}_{kind}"] = scores
        trial.record.probes["odin/epsilons"] = np.array([0.001, 0.02])
        trial.record.probes["odin/temperatures"] = np.array([10.0])
    exhibit = EXHIBITS["detection"](results)
    odin = "ODIN, ε and T tuned"
    auroc = table(exhibit, "detection-auroc").values.set_index("method")
    assert auroc.loc[odin, "with_mean"] > 0.95  # the second ε tells the sets apart, the first not
    tuned = table(exhibit, "detection-tuned").shown.set_index("Method")
    assert tuned.loc[odin, "With"] == "ε 0.02, T 10 × 6"


def test_scores_of_features_stand_in_the_tables_where_a_probe_has_kept_them():
    results = make_results(Spec(replicates=6))
    rng = np.random.default_rng(0)
    for trial in results.trials:
        centres = 5 * rng.normal(size=(3, 8))
        labels = rng.integers(0, 3, 120)
        kept = {"labels": labels, "train": centres[labels] + rng.normal(size=(120, 8))}
        kept["test"] = centres[rng.integers(0, 3, 400)] + rng.normal(size=(400, 8))
        kept["ood"] = 5 * rng.normal(size=(400, 8))  # far from every class
        kept |= {"weight": centres, "bias": -0.5 * (centres**2).sum(axis=1)}
        trial.record.probes.update({f"features/{name}": array for name, array in kept.items()})
    auroc = table(EXHIBITS["detection"](results), "detection-auroc")
    means = auroc.values.set_index("method")["with_mean"]
    assert means["Mahalanobis, features"] > 0.99  # clusters of one width are its own model
    kinds = ("Mahalanobis", "50th nearest neighbour", "ViM", "relative Mahalanobis", "SHE", "fDBD")
    names = [f"{kind}, features" for kind in (*kinds, "NNGuide")]
    expected: dict[str, list[float]] = {name: [] for name in names}
    for seed, record in members(results, 1):
        of = {name.removeprefix("features/"): array for name, array in record.probes.items()}
        test, ood, train = of["test"], of["ood"], of["train"]
        layer = of["weight"], of["bias"]
        scores = (
            [mahalanobis(x, train, of["labels"]) for x in (test, ood)],
            [nearest_neighbour(x, train) for x in (test, ood)],
            [vim(x, train, *layer) for x in (test, ood)],
            [relative_mahalanobis(x, train, of["labels"]) for x in (test, ood)],
            [she(x, train, of["labels"], *layer) for x in (test, ood)],
            [fdbd(x, train, *layer) for x in (test, ood)],
            [nnguide(x, train, *layer) for x in (test, ood)],
        )
        for method, both in zip(names, scores, strict=True):
            expected[method].append(tuned_detection({None: tuple(both)}, seed).auroc)
    for method, values_of_networks in expected.items():
        assert means[method] == pytest.approx(np.mean(values_of_networks))


def test_a_score_that_features_do_not_define_is_left_out_and_the_others_stay():
    results = make_results(one_condition(replicates=2))
    rng = np.random.default_rng(0)
    sizes = {"train": 9, "test": 400, "ood": 400}
    for trial in results.trials:
        kept = {name: rng.normal(size=(n, 4)) for name, n in sizes.items()}
        kept |= {"labels": np.zeros(9, dtype=int), "weight": np.eye(4)[:3], "bias": np.zeros(3)}
        trial.record.probes.update({f"features/{name}": array for name, array in kept.items()})
    shown = table(EXHIBITS["detection"](results), "detection-auroc").shown["Method"].tolist()
    # nine training examples are neither fifty nor ten neighbours, and two classes have none
    absent = {"50th nearest neighbour, features", "NNGuide, features", "SHE, features"}
    assert not absent & set(shown)
    assert {"Mahalanobis, features", "fDBD, features"} <= set(shown)


def test_without_out_of_distribution_images_there_is_nothing_to_detect():
    results = make_results(Spec(replicates=2, ood=None))
    exhibit = EXHIBITS["detection"](results)
    assert exhibit.tables == ()
    assert exhibit.caption.startswith("No complete pair has out-of-distribution images.")
    conformal = EXHIBITS["conformal"](results)
    named = {found.name: found.shown for found in conformal.tables}
    assert len(named["conformal-coverage"]) == 15  # five kinds at three α
    assert named["conformal-ood_auroc_p_value"].empty


def test_figures_are_drawn_and_say_what_they_show(exhibits):
    drawn = {f.name: f for exhibit in exhibits.values() for f in exhibit.figures}
    assert set(drawn) == {"detection-roc", "detection-confidence", "conformal-set-size"}
    for drawing in drawn.values():
        assert drawing.save("svg").startswith(b"<?xml")
        assert drawing.description
    chance = drawn["detection-confidence"].figure.axes[0].lines[0].get_xdata()[0]
    assert chance == pytest.approx(0.1)
