"""The cluster files are what Ray and KubeRay take, and agree with the rest."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import ray
import yaml

from sweep.cli.launch_arguments import parse_options

CLUSTER = Path(__file__).parents[1] / "cluster"
SCHEMA = json.loads((Path(ray.__file__).parent / "autoscaler/ray-schema.json").read_text("utf-8"))


def read(name: str) -> Any:
    return yaml.safe_load((CLUSTER / name).read_text("utf-8"))


@pytest.mark.parametrize("name", ["aws.yaml", "onpremise.yaml"])
def test_ray_takes_a_cluster_file(name):
    jsonschema.validate(read(name), SCHEMA)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(read(name) | {"max_worker": 1}, SCHEMA)


@pytest.mark.parametrize("name", ["aws.yaml", "onpremise.yaml"])
def test_every_node_starts_with_the_token_tells_nobody_and_keeps_the_dashboard_on_loopback(name):
    file = read(name)
    for kind in ("head", "worker"):
        start = file[f"{kind}_start_ray_commands"][-1]
        assert "RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH=$HOME/.ray/auth_token" in start
        assert "--disable-usage-stats" in start
    assert "--dashboard-host=127.0.0.1" in file["head_start_ray_commands"][-1]
    assert any(target.endswith("/.ray/auth_token") for target in file["file_mounts"])


def test_aws_nodes_are_of_kinds_that_there_are_and_hold_no_key():
    file = read("aws.yaml")
    assert file["head_node_type"] in file["available_node_types"]
    assert "aws_access_key" not in str(file).lower()
    workers = file["available_node_types"]["gpu"]
    assert workers["node_config"]["InstanceMarketOptions"] == {"MarketType": "spot"}
    assert workers["max_workers"] * workers["resources"]["GPU"] == 100


def test_the_job_is_one_that_the_command_line_takes():
    job = read("rayjob.yaml")
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    words = job["spec"]["entrypoint"].split()
    assert words[:3] == ["python", "-m", "sweep.launch"]
    options = parse_options(words[3:])
    assert options.storage == "s3://BUCKET/sweeps"
    assert options.resources.gpus == 0.25


def test_only_the_jobs_head_knows_mlflows_password_and_nobody_is_root():
    cluster = read("rayjob.yaml")["spec"]["rayClusterSpec"]
    head = cluster["headGroupSpec"]["template"]["spec"]
    (worker,) = (group["template"]["spec"] for group in cluster["workerGroupSpecs"])
    assert "sweep-mlflow" in str(head)
    assert "mlflow" not in str(worker).lower()
    for pod in (head, worker):
        assert pod["securityContext"]["runAsNonRoot"]
        (container,) = pod["containers"]
        assert container["image"].endswith("/warmup-sweep:0.1.0")
        assert container["resources"]["requests"] == container["resources"]["limits"]
