"""How MLflow's pages show a study: as model training, and with the columns worth a look.

MLflow keeps a shared view, the columns of its table of runs and their order, in a tag of the
experiment and shows it where the address names its key. The experiment's description links to it.
"""

import json

from mlflow.utils.mlflow_tags import MLFLOW_RUN_NOTE
from mlflow.utils.validation import MAX_EXPERIMENT_TAG_VAL_LENGTH

from analysis.results.tags import ARM, CONDITION, OUTCOME, REPLICATE
from sweep.plan.plan import StudyPlan
from sweep.tracking.names import shortened
from sweep.tracking.study_numbers import PROGRESS, columns_of

VIEW = "trials"  # the view's key
METRICS = ("test_accuracy", "test_ece", "test_nll", "ood_auroc", "seconds_total")
CONDITIONS = 6  # whose differences are columns
TAGS = (ARM, CONDITION, REPLICATE, OUTCOME)


def experiment_tags(plan: StudyPlan, experiment_id: str) -> dict[str, str]:
    study = plan.study
    of_study = [PROGRESS, *columns_of(plan)[:CONDITIONS]]
    columns = [f"tags.`{name}`" for name in TAGS]
    columns += [f"metrics.`{name}`" for name in (*of_study, *METRICS)]
    makes = f" After {study.makes}." if study.makes else ""
    note = (
        f"**{study.title}.** {study.answers}{makes}\n\n"
        f"[Trials with their columns](#{view_path(experiment_id)}) · one run per scale and data "
        "set, whose charts compare the conditions; its trials are nested below it, its report is "
        "among its artifacts."
    )
    return {
        "mlflow.experimentKind": "custom_model_development",
        f"mlflow.sharedViewState.{VIEW}": json.dumps({"selectedColumns": columns}),
        MLFLOW_RUN_NOTE: shortened(note, MAX_EXPERIMENT_TAG_VAL_LENGTH),
    }


def view_path(experiment_id: str) -> str:
    """The view's address, after the `#`."""
    return (
        f"/experiments/{experiment_id}/runs?workflowType=machine_learning&viewStateShareKey={VIEW}"
    )
