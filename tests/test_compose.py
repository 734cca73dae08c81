"""What docker-compose.yml promises of itself, read as Compose reads it."""

import configparser
import re
from typing import Any

import pytest
import yaml
from ray._private import services, utils
from support import ROOT

TEXT = (ROOT / "docker-compose.yml").read_text("utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
LONG_RUNNING = sorted(name for name, service in SERVICES.items() if "profiles" not in service)
SECRETS = {"POSTGRES_PASSWORD", "MLFLOW_ADMIN_PASSWORD", "MLFLOW_SECRET_KEY", "RAY_TOKEN"}


def test_the_services_are_those_that_a_sweep_needs():
    assert LONG_RUNNING == ["mlflow", "postgres", "ray-head", "ray-worker"]
    assert SERVICES["job"]["entrypoint"][:3] == ["ray", "job", "submit"]
    assert "container_name" not in TEXT  # several workers need names of Compose's own making


@pytest.mark.parametrize("name", SERVICES)
def test_ports_are_published_on_loopback_alone(name):
    service = SERVICES[name]
    assert service.get("network_mode") is None
    for port in service.get("ports", ()):
        assert re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port)


def test_the_ports_that_are_published_are_mlflows_and_the_dashboards():
    published = {name: s["ports"] for name, s in SERVICES.items() if "ports" in s}
    assert published == {"mlflow": ["127.0.0.1:5000:5000"], "ray-head": ["127.0.0.1:8265:8265"]}


@pytest.mark.parametrize("name", SERVICES)
def test_no_secret_is_written_down(name):
    for variable, value in SERVICES[name].get("environment", {}).items():
        if re.search("PASSWORD|TOKEN$|SECRET|_KEY", variable) and value is not None:
            assert re.fullmatch(r"\$\{\w+:\?[^}]+\}", value), variable
    assert not re.search(r"://[^/\s]*:[^/\s@]*@", TEXT)  # nor in an address
    assert "PASSWORD" not in str(SERVICES[name].get("command"))  # all on the machine can read it


def test_every_secret_is_required_and_the_example_names_it_without_a_value():
    assert set(re.findall(r"\$\{(\w+):\?", TEXT)) == SECRETS
    example = (ROOT / ".env.example").read_text("utf-8")
    named = dict(re.findall(r"^(\w+)=(.*)$", example, re.MULTILINE))
    assert {name for name in SECRETS if named[name] == ""} == SECRETS
    optional = set(re.findall(r"\$\{(\w+):-", TEXT))
    assert named.keys() - SECRETS == optional
    assert "\n.env\n" in (ROOT / ".gitignore").read_text("utf-8")


@pytest.mark.parametrize("name", SERVICES)
def test_images_are_pinned_and_users_are_not_root(name):
    service = SERVICES[name]
    assert re.search(r":\d+\.\d+[\w.-]*$", service["image"])
    assert service["user"] in ("1000", "postgres")
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


@pytest.mark.parametrize("name", LONG_RUNNING)
def test_what_runs_long_is_watched_limited_and_started_again(name):
    service = SERVICES[name]
    assert service["healthcheck"]["test"][0] == "CMD"
    assert {"interval", "timeout", "retries"} <= service["healthcheck"].keys()
    assert service["deploy"]["resources"]["limits"].keys() == {"cpus", "memory"}
    assert service["restart"] == "unless-stopped"


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_waits_until_what_it_needs_is_healthy(name):
    for needed, condition in SERVICES[name].get("depends_on", {}).items():
        assert condition == {"condition": "service_healthy"}
        assert "healthcheck" in SERVICES[needed]


def test_what_was_run_lies_in_named_volumes():
    mounted = {v.split(":")[0] for s in SERVICES.values() for v in s.get("volumes", ())}
    assert mounted == COMPOSE["volumes"].keys() == {"postgres", "artifacts", "storage", "work"}


def test_workers_have_no_credentials_of_mlflow():
    assert not [name for name in SERVICES["ray-worker"]["environment"] if "MLFLOW" in name]


def test_how_many_workers_there_are_is_said_where_every_command_of_compose_reads_it():
    assert "--scale ray-worker" not in TEXT  # which `docker compose run` forgets
    assert SERVICES["ray-worker"]["deploy"]["replicas"] == "${WORKERS:-2}"
    assert "\nWORKERS=2\n" in (ROOT / ".env.example").read_text("utf-8")


@pytest.mark.parametrize("gigabytes", [4, 8, 64])
@pytest.mark.parametrize("name", ["ray-head", "ray-worker"])
def test_rays_objects_are_kept_in_shared_memory_however_much_memory_there_is(
    monkeypatch, name, gigabytes
):
    """By Ray's own rule, in a container of so much memory and the service's /dev/shm."""
    service, memory = SERVICES[name], gigabytes * 2**30
    shared = int(re.fullmatch(r"(\d+)g", service["shm_size"])[1]) * 2**30
    monkeypatch.setattr(utils, "get_shared_memory_bytes", lambda: shared)
    monkeypatch.setattr("ray._common.utils.get_system_memory", lambda: memory)
    said = [word.partition("=") for word in service["command"]]
    asked = next((int(value) for key, _, value in said if key == "--object-store-memory"), None)
    store = utils.resolve_object_store_memory(memory, asked)
    place, *_ = services.determine_plasma_store_config(store, "/tmp")
    assert place == "/dev/shm"
    assert store < 0.95 * shared  # as Ray itself leaves room for others


def test_the_address_of_mlflow_that_is_printed_is_one_that_this_machines_browser_opens():
    head = SERVICES["ray-head"]["environment"]
    (published,) = SERVICES["mlflow"]["ports"]
    assert head["MLFLOW_PUBLIC_URL"] == f"http://{published.rpartition(':')[0]}"
    allowed = next(w for w in SERVICES["mlflow"]["command"] if w.startswith("--allowed-hosts"))
    assert "127.0.0.1:*" in allowed


def test_the_dockerfile_pins_its_base_and_ends_as_another_user_than_root():
    lines = (ROOT / "cluster/Dockerfile").read_text("utf-8").splitlines()
    (base,) = [line for line in lines if line.startswith("FROM")]
    assert re.fullmatch(r"FROM python:\d+\.\d+\.\d+-slim-\w+", base)
    assert [line for line in lines if line.startswith("USER")][-1] == "USER 1000"
    copied = {f for line in lines if line.startswith("COPY") for f in line.split()[1:-1]}
    kept = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    assert copied == {line.removeprefix("!") for line in kept if line.startswith("!")}
    assert all((ROOT / name).exists() for name in copied)


def test_the_authentication_file_holds_no_password():
    text = (ROOT / "cluster/mlflow_auth.ini").read_text("utf-8")
    config = configparser.ConfigParser()
    config.read_string(text)
    assert "admin_password" not in config["mlflow"]
    assert (
        config["mlflow"]["database_uri"]
        == (SERVICES["mlflow"]["environment"]["MLFLOW_BACKEND_STORE_URI"])
    )
