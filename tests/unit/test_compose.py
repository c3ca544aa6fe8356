"""`infra/kafka-compose.yml` is valid Compose, and agrees with the code; nobody needs Docker to know that."""

import importlib
import importlib.util
import json
import re
import tomllib
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import yaml
from jsonschema.validators import validator_for
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from infra.process.settings import Settings
from tests.support.house import PRODUCT, ROOT
from tools.local_stack.service_processes import MODULES, SCALED

_FILE = yaml.safe_load((ROOT / "infra" / "kafka-compose.yml").read_text(encoding="utf-8"))
_SERVICES: dict[str, dict[str, Any]] = _FILE["services"]
_BROKERS = ("kafka-1", "kafka-2", "kafka-3")
_OURS = (*MODULES, "topics")
_DOCKERFILE = (ROOT / "infra" / "Dockerfile").read_text(encoding="utf-8")
_DEFAULT = re.compile(r"\$\{\w+:-([^}]*)\}")
_REQUIRED = re.compile(r"\$\{(\w+):\?[^}]+\}")


def _environment(service: str) -> dict[str, str]:
    """What the process gets when nobody sets anything but what must be set."""
    given = _SERVICES[service]["environment"]
    return {name: _REQUIRED.sub("s3cret", _DEFAULT.sub(r"\1", str(value))) for name, value in given.items()}


def _settings(service: str) -> Settings:
    return Settings.model_validate(_environment(service))


def test_the_file_fits_the_compose_specification():
    # The package is not imported, for only its data are wanted.
    spec = importlib.util.find_spec("check_jsonschema")
    assert spec
    assert spec.submodule_search_locations
    schema_file = Path(spec.submodule_search_locations[0]) / "builtin_schemas" / "vendor" / "compose-spec.json"
    schema = json.loads(schema_file.read_text(encoding="utf-8"))

    errors = [f"{error.json_path}: {error.message}" for error in validator_for(schema)(schema).iter_errors(_FILE)]

    assert not errors, "\n".join(errors)


def test_the_services_are_those_of_the_project():
    assert set(_SERVICES) == {*_BROKERS, "postgres", *_OURS}


@pytest.mark.parametrize("service", _OURS)
def test_every_variable_is_a_setting(service):
    known = {field.validation_alias for field in Settings.model_fields.values()}

    assert set(_SERVICES[service]["environment"]) <= known


@pytest.mark.parametrize("service", MODULES)
def test_a_service_runs_the_module_that_the_supervisor_runs(service):
    assert _SERVICES[service]["command"] == ["python", "-m", MODULES[service]]
    assert importlib.util.find_spec(MODULES[service])


def test_the_topics_are_made_by_the_projects_own_command_before_anything_reads_them():
    commands = importlib.import_module("order_service.commands.topics")
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["scripts"]
    program, *arguments = _SERVICES["topics"]["command"]

    assert program in scripts
    assert arguments[0] == "topics"
    assert arguments[1] in {command.name or command.callback.__name__ for command in commands.app.registered_commands}
    assert _SERVICES["topics"]["depends_on"] == {broker: {"condition": "service_healthy"} for broker in _BROKERS}
    for service in MODULES:
        assert _SERVICES[service]["depends_on"]["topics"] == {"condition": "service_completed_successfully"}


def test_ports_are_the_settings_and_stay_on_this_machine():
    settings = _settings("gateway")

    assert _SERVICES["gateway"]["ports"] == [f"127.0.0.1:8000:{settings.http_port}"]
    assert _SERVICES["notifier"]["ports"] == [f"127.0.0.1:8001:{settings.feed_port}"]
    assert [name for name, service in _SERVICES.items() if "ports" in service] == ["gateway", "notifier"]
    assert settings.bind == "0.0.0.0"


@pytest.mark.parametrize("service", MODULES)
def test_a_service_is_asked_for_its_health_where_it_listens(service):
    check = " ".join(_SERVICES[service]["healthcheck"]["test"])

    assert f"http://127.0.0.1:{_settings(service).health_port}/health/live" in check


@pytest.mark.parametrize("service", SCALED)
def test_a_service_with_many_workers_can_be_scaled(service):
    assert not {"container_name", "ports", "hostname"} & set(_SERVICES[service])


def test_records_are_on_three_brokers_and_acknowledged_by_two():
    assert _settings("topics").expected_replication == len(_BROKERS)
    for number, broker in enumerate(_BROKERS, 1):
        environment = _environment(broker)
        assert environment["KAFKA_NODE_ID"] == str(number)
        assert environment["KAFKA_ADVERTISED_LISTENERS"] == f"PLAINTEXT://{broker}:9092"
        assert environment["KAFKA_PROCESS_ROLES"] == "broker,controller"
        assert environment["KAFKA_CONTROLLER_QUORUM_VOTERS"].split(",") == [f"{n}@{b}:9093" for n, b in enumerate(_BROKERS, 1)]
        assert environment["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"
        assert environment["KAFKA_UNCLEAN_LEADER_ELECTION_ENABLE"] == "false"
        assert (environment["KAFKA_DEFAULT_REPLICATION_FACTOR"], environment["KAFKA_MIN_INSYNC_REPLICAS"]) == ("3", "2")
    assert _settings("gateway").kafka_bootstrap_servers == ",".join(f"{broker}:9092" for broker in _BROKERS)


def test_data_are_on_named_volumes():
    for server in (*_BROKERS, "postgres"):
        (volume,) = _SERVICES[server]["volumes"]
        assert volume.partition(":")[0] in _FILE["volumes"]
    for broker in _BROKERS:
        assert _SERVICES[broker]["volumes"][0].endswith(f":{_environment(broker)['KAFKA_LOG_DIRS']}")


def test_snapshots_are_on_a_volume_that_the_images_user_may_write():
    folder = _settings("order_aggregate").snapshot_folder

    assert _SERVICES["order_aggregate"]["volumes"] == [f"snapshots:{folder}"]
    assert f"install -d -o orders -g orders {folder}" in _DOCKERFILE


def test_the_database_is_reached_with_a_password_that_must_be_chosen():
    url = _settings("projections").database_url

    assert url is not None
    assert url.get_secret_value() == "postgresql://orders:s3cret@postgres:5432/orders"
    assert _REQUIRED.fullmatch(_SERVICES["postgres"]["environment"]["POSTGRES_PASSWORD"])


@pytest.mark.parametrize("service", _OURS)
def test_our_processes_can_do_little_beyond_their_work(service):
    run = _SERVICES[service]

    assert run["read_only"] is True
    assert run["cap_drop"] == ["ALL"]
    assert run["build"] == {"context": "..", "dockerfile": "infra/Dockerfile"}


@pytest.mark.parametrize("service", [*_BROKERS, "postgres", *MODULES])
def test_what_runs_for_long_is_watched_restarted_and_given_time_to_end(service):
    assert {"healthcheck", "restart", "stop_grace_period"} <= set(_SERVICES[service])


def test_the_brokers_are_the_embedded_brokers_release():
    pom = ET.parse(ROOT / "tools" / "local_stack" / "embedded" / "pom.xml").getroot()
    (version,) = {
        dependency.findtext("{*}version")
        for dependency in pom.findall(".//{*}dependency")
        if dependency.findtext("{*}groupId") == "org.apache.kafka"
    }

    assert {_SERVICES[broker]["image"] for broker in _BROKERS} == {f"apache/kafka:{version}"}
    assert _SERVICES["postgres"]["image"] == "postgres:18"


def test_the_image_holds_every_package_and_ends_as_an_ordinary_user():
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()

    files = {"!pyproject.toml", "!requirements.lock", "!README.md", "!LICENSE"}
    assert {line for line in ignored if line.startswith("!")} == {f"!{package}" for package in PRODUCT} | files
    assert re.findall(r"^USER (\S+)", _DOCKERFILE, re.MULTILINE)[-1] == "10001:10001"
    assert "--require-hashes --constraints requirements.lock" in _DOCKERFILE


def test_the_image_is_built_with_versions_that_the_project_supports():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (backend,) = map(Requirement, project["build-system"]["requires"])
    pythons = set(re.findall(r"^FROM python:([\d.]+)-slim", _DOCKERFILE, re.MULTILINE))
    (uv,) = re.findall(r"^COPY --from=astral/uv:(\S+)", _DOCKERFILE, re.MULTILINE)

    assert len(pythons) == 1
    assert Requirement(f"python{project['project']['requires-python']}").specifier.contains(Version(pythons.pop()))
    assert backend.specifier.contains(uv)


def test_what_the_image_leaves_out_is_what_only_the_embedded_servers_import():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    left_out = [Requirement(text).name for text in project["dependency-groups"]["local-stack"]]
    wanted = {canonicalize_name(Requirement(text).name) for text in project["project"]["dependencies"]}

    assert not {canonicalize_name(name) for name in left_out} & wanted
    importing = re.compile(r"^\s*(?:import|from) (" + "|".join(name.replace("-", "_") for name in left_out) + r")\b", re.MULTILINE)
    for package in PRODUCT:
        for module in (ROOT / package).rglob("*.py"):
            assert not importing.search(module.read_text(encoding="utf-8")), module
