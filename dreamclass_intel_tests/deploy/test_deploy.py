"""What can be known of `deploy/` without Docker: its files fit each other, Dagster's configuration and this project."""

import importlib
import re
import shlex
import sys
from pathlib import Path
from typing import Any

import click
import pytest
import typer.main
import yaml
from dagster._cli import create_dagster_cli
from dagster._core.instance.config import dagster_instance_config
from dagster._core.instance.ref import InstanceRef
from dagster._daemon.cli import create_dagster_daemon_cli
from dagster_webserver.cli import dagster_webserver

from dreamclass_intel import catalog
from dreamclass_intel.cli import app
from dreamclass_intel.contracts import Write
from dreamclass_intel.defs.ga4.export_doctor import VIEWER
from dreamclass_intel.run_launcher import WatchedRunLauncher
from dreamclass_intel.settings import PROJECT_DIR, SOURCES, BigQuerySettings, Mode, Settings, load_settings, variable
from dreamclass_intel.warehouse.bigquery_doctor import EDITOR, LEAST, MODELS

DEPLOY = PROJECT_DIR / "deploy"
GUIDE = (PROJECT_DIR / "docs" / "deploy.md").read_text(encoding="utf-8")
STORAGES = {"event_log_storage", "run_storage", "schedule_storage"}
OURS = {
    variable(kind, field)
    for kind in (Settings, BigQuerySettings, *(Settings.model_fields[name].annotation for name in SOURCES))
    for field in kind.model_fields
}


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return read(DEPLOY / "compose.yaml")


@pytest.fixture(scope="module")
def helm() -> dict[str, Any]:
    return read(DEPLOY / "helm-values.yaml")


# --- Dagster's instance --------------------------------------------------------------------------------------------


def test_the_instance_is_one_that_dagster_accepts():
    config, _ = dagster_instance_config(str(DEPLOY), "dagster.yaml")
    assert config["storage"] == {"postgres": {"postgres_url": {"env": "DAGSTER_POSTGRES_URL"}}}


def test_dagster_would_refuse_a_wrong_one(tmp_path):
    text = (DEPLOY / "dagster.yaml").read_text(encoding="utf-8")
    (tmp_path / "dagster.yaml").write_text(text.replace("free_slots_after_run_end_seconds", "free_slots"))
    with pytest.raises(Exception, match="free_slots"):
        dagster_instance_config(str(tmp_path), "dagster.yaml")


def test_all_but_the_storage_is_the_root_files():
    ours, root = read(DEPLOY / "dagster.yaml"), read(PROJECT_DIR / "dagster.yaml")
    places = {"local_artifact_storage", "compute_logs"}
    assert {k: v for k, v in ours.items() if k not in places | {"storage"}} == {
        k: v for k, v in root.items() if k not in places | STORAGES
    }
    for name in places:
        assert ours[name]["class"] == root[name]["class"]
        assert ours[name]["config"]["base_dir"].startswith("/var/lib/dreamclass/")


def test_it_makes_postgres_storage_and_our_launcher(monkeypatch):
    pytest.importorskip("dagster_postgres", reason="needs the extra [postgres]")
    monkeypatch.setenv("DAGSTER_POSTGRES_URL", "postgresql+psycopg2://u:p@127.0.0.1:1/d")
    ref = InstanceRef.from_dir(str(DEPLOY))
    assert ref.run_storage_data is not None
    assert "Postgres" in repr(ref.storage_data or ref.run_storage_data)
    assert isinstance(ref.run_launcher, WatchedRunLauncher)


def test_the_launcher_it_names_is_there():
    named = read(DEPLOY / "dagster.yaml")["run_launcher"]
    assert getattr(importlib.import_module(named["module"]), named["class"]) is WatchedRunLauncher


# --- commands ------------------------------------------------------------------------------------------------------

COMMANDS: dict[str, click.Command] = {
    "dagster": create_dagster_cli(),
    "dagster-daemon": create_dagster_daemon_cli(),
    "dagster-webserver": dagster_webserver,
}


def parsed(words: list[str]) -> dict[str, Any]:
    """The command's own reading of its options; fails for one it does not have."""
    command, rest = COMMANDS[words[0]], [word.replace("/opt/dagster/", f"{DEPLOY}/") for word in words[1:]]
    assert (Path(sys.executable).parent / words[0]).exists()
    while isinstance(command, click.Group):
        command = command.commands[rest.pop(0)]
    return command.make_context(words[0], rest, resilient_parsing=False).params


def docker_command() -> list[str]:
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    (found,) = re.findall(r"^CMD (\[.*\])$", text, re.MULTILINE)
    words: list[str] = yaml.safe_load(found)
    return words


def test_every_command_is_one_that_its_program_takes(compose):
    services = [s for s in compose["services"].values() if "command" in s]
    assert len(services) == 4
    for service in services:
        parsed(service["command"])


def test_the_code_server_serves_our_definitions_where_the_workspace_looks(compose):
    for words in (compose["services"]["code"]["command"], docker_command()):
        options = parsed(words)
        assert options["module_name"] in ("dreamclass_intel.definitions", ("dreamclass_intel.definitions",))
        assert options["host"] == "0.0.0.0"
        (server,) = (entry["grpc_server"] for entry in read(DEPLOY / "workspace.yaml")["load_from"])
        assert server["host"] in compose["services"]
        assert (server["port"], server["location_name"]) == (options["port"], options["location_name"])
    importlib.import_module("dreamclass_intel.definitions")
    probe = compose["services"]["code"]["healthcheck"]["test"]
    assert parsed(probe[1:])["port"] == server["port"]


def test_only_the_operators_ui_can_change_anything(compose):
    read_only = {n: parsed(compose["services"][n]["command"])["read_only"] for n in ("webserver", "operate")}
    assert read_only == {"webserver": True, "operate": False}
    assert compose["services"]["operate"]["profiles"] == ["operate"]


# --- compose -------------------------------------------------------------------------------------------------------


def test_only_the_sign_in_is_published_beyond_this_machine(compose):
    published = {name: s["ports"] for name, s in compose["services"].items() if "ports" in s}
    assert set(published) == {"sign-in", "operate"}
    assert all(port.startswith("127.0.0.1:") for port in published["operate"])
    (port,) = published["sign-in"]
    assert port == "${SIGN_IN_BIND:-127.0.0.1:4180}:4180"
    upstream = compose["services"]["sign-in"]["environment"]["OAUTH2_PROXY_UPSTREAMS"]
    assert upstream == f"http://webserver:{parsed(compose['services']['webserver']['command'])['port']}"


def test_vendors_keys_reach_the_code_server_alone(compose):
    assert [name for name, s in compose["services"].items() if "env_file" in s] == ["code"]
    for name, service in compose["services"].items():
        theirs = set(service.get("environment", {})) & OURS
        assert theirs <= ({"STATE_DIR", "WITHOUT_CREDENTIALS", "BIGQUERY_KEYFILE"} if name == "code" else set())


def test_googles_key_is_a_secret_of_the_code_server_alone(compose):
    """Set in compose.env it is mounted and named; unset, what is named is empty, which counts as unset."""
    (secret,) = compose["secrets"]
    assert compose["secrets"][secret] == {"file": "${GOOGLE_KEY_FILE:-/dev/null}"}
    assert [name for name, s in compose["services"].items() if "secrets" in s] == ["code"]
    (mounted,) = compose["services"]["code"]["secrets"]
    assert mounted["source"] == secret
    for name in ("BIGQUERY_KEYFILE", "GOOGLE_APPLICATION_CREDENTIALS"):
        value = compose["services"]["code"]["environment"][name]
        assert value == f"${{GOOGLE_KEY_FILE:+/run/secrets/{mounted['target']}}}"


def test_services_volumes_and_files_refer_to_what_is_there(compose):
    services = compose["services"]
    for name, service in services.items():
        assert set(service.get("depends_on", [])) <= set(services) - {name}
        for volume in service.get("volumes", []):
            assert volume.split(":")[0] in compose["volumes"]
    build = services["code"]["build"]
    assert (DEPLOY / build["context"]).resolve() == PROJECT_DIR
    assert (PROJECT_DIR / build["dockerfile"]).is_file()
    assert {s["image"] for n, s in services.items() if n not in ("postgres", "sign-in")} == {
        "dreamclass-intel:${VERSION:-latest}"
    }
    # All that share the state lie where the instance's files are.
    for name in ("code", "daemon", "webserver", "operate"):
        assert services[name]["volumes"][0].startswith("state:/var/lib/dreamclass")


def test_every_variable_of_compose_is_in_its_example():
    asked = set(re.findall(r"\$\{([A-Z_]+)", (DEPLOY / "compose.yaml").read_text(encoding="utf-8")))
    example = (DEPLOY / "compose.env.example").read_text(encoding="utf-8")
    assert asked == set(re.findall(r"^# ?([A-Z_]+)=", example, re.MULTILINE))
    assert not [line for line in example.splitlines() if line and not line.startswith("#")], "an example sets nothing"


def test_postgres_is_reached_by_the_driver_that_is_shipped(compose, helm):
    for name in ("code", "daemon", "webserver", "operate"):
        url = compose["services"][name]["environment"]["DAGSTER_POSTGRES_URL"]
        assert url.startswith("postgresql+psycopg2://dagster:")
        assert url.endswith("@postgres:5432/dagster")
    assert helm["postgresql"]["postgresqlScheme"] == "postgresql+psycopg2"


# --- the image -----------------------------------------------------------------------------------------------------


def test_the_image_copies_what_is_there_and_runs_as_nobody_special():
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    copied = [word for line in re.findall(r"^COPY (.+)$", text, re.MULTILINE) for word in shlex.split(line)[:-1]]
    assert copied
    allowed = [line[1:] for line in read_lines("Dockerfile.dockerignore") if line.startswith("!")]
    for name in copied:
        assert (PROJECT_DIR / name).exists(), name
        assert name in allowed
    assert read_lines("Dockerfile.dockerignore")[0] == "*", "no .env, no .state"
    users = re.findall(r"^USER (\S+)$", text, re.MULTILINE)
    assert users[-1:] == ["dreamclass"]
    assert text.index("USER dreamclass") < text.index("CMD")
    home = re.search(r"DAGSTER_HOME=(\S+)", text)
    assert home is not None
    assert f"COPY deploy/dagster.yaml deploy/workspace.yaml {home.group(1)}/" in text


def read_lines(name: str) -> list[str]:
    lines = (DEPLOY / name).read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def test_the_extras_that_are_installed_exist():
    import tomllib

    project = tomllib.loads((PROJECT_DIR / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert {"postgres", "k8s"} <= set(project["optional-dependencies"])
    assert "dagster-postgres" in project["optional-dependencies"]["postgres"]
    assert any(re.match(r"sqlalchemy>=2,<2\.1\b", d) for d in project["dependencies"])
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    assert re.findall(r"^ARG EXTRA=(\w+)$", text, re.MULTILINE) == ["postgres"]


# --- Kubernetes ----------------------------------------------------------------------------------------------------

# Keys of the chart's and its subchart's values.schema.json (dagster-io/dagster, helm/dagster), as far as they are used.
CHART = {
    "": {"global", "generatePostgresqlPasswordSecret", "postgresql", "dagsterWebserver", "dagster-user-deployments",
         "runLauncher", "dagsterDaemon", "telemetry", "pythonLogs", "additionalInstanceConfig"},
    "global": {"postgresqlSecretName", "dagsterHome", "serviceAccountName", "celeryConfigSecretName"},
    "postgresql": {"image", "enabled", "postgresqlHost", "postgresqlUsername", "postgresqlPassword",
                   "postgresqlDatabase", "postgresqlParams", "postgresqlScheme", "service"},
    "dagsterWebserver": {"image", "enableReadOnly", "env", "envSecrets", "resources", "service", "pathPrefix"},
    "dagster-user-deployments": {"enabled", "enableSubchart", "imagePullSecrets", "deployments", "serviceAccount"},
    "runLauncher": {"type", "config"},
    "dagsterDaemon": {"enabled", "image", "runCoordinator", "runMonitoring", "runRetries", "env", "envSecrets"},
    "telemetry": {"enabled"},
    "pythonLogs": {"pythonLogLevel", "managedPythonLoggers", "dagsterHandlerConfig"},
}  # fmt: skip
DEPLOYMENT = {"name", "image", "dagsterApiGrpcArgs", "includeConfigInLaunchedRuns", "port", "env", "envSecrets",
              "podSecurityContext", "securityContext", "resources", "volumes", "volumeMounts"}  # fmt: skip
K8S_LAUNCHER = {"imagePullPolicy", "runK8sConfig", "envSecrets", "resources", "volumes", "volumeMounts"}


def test_the_charts_keys(helm):
    for place, known in CHART.items():
        assert set(helm if not place else helm[place]) <= known, place
    (deployment,) = helm["dagster-user-deployments"]["deployments"]
    assert set(deployment) <= DEPLOYMENT
    launcher = helm["runLauncher"]
    assert launcher["type"] == "K8sRunLauncher"
    assert set(launcher["config"]["k8sRunLauncher"]) <= K8S_LAUNCHER
    assert set(launcher["config"]["k8sRunLauncher"]["runK8sConfig"]) <= {
        "containerConfig", "podSpecConfig", "podTemplateSpecMetadata", "jobSpecConfig", "jobMetadata"
    }  # fmt: skip


def test_the_cluster_runs_our_definitions_on_bigquery(helm, settings_env):
    (deployment,) = helm["dagster-user-deployments"]["deployments"]
    options = parsed(["dagster", "api", "grpc", "--port", str(deployment["port"]), *deployment["dagsterApiGrpcArgs"]])
    assert options["module_name"] in ("dreamclass_intel.definitions", ("dreamclass_intel.definitions",))
    assert set(deployment["env"]) <= OURS
    settings_env(**deployment["env"])
    settings = load_settings()
    settings.check()
    assert (settings.warehouse, settings.bigquery.project, settings.bigquery.keyfile) == (
        "bigquery",
        "my-project",
        None,
    )
    assert settings.bigquery.maximum_gib_billed > 0
    assert {settings.source(name).mode for name in SOURCES} == {Mode.OFF}
    assert Path(deployment["env"]["STATE_DIR"]) == Path(deployment["volumeMounts"][0]["mountPath"])
    assert {v["name"] for v in deployment["volumes"]} == {m["name"] for m in deployment["volumeMounts"]}
    assert f"useradd --create-home --uid {deployment['podSecurityContext']['runAsUser']}" in (
        DEPLOY / "Dockerfile"
    ).read_text(encoding="utf-8")


def test_the_cluster_has_googles_identity_or_a_mounted_key(helm):
    """Workload identity as it stands; what is commented out makes it a key."""
    account = helm["dagster-user-deployments"]["serviceAccount"]
    assert set(account) <= {"create", "name", "annotations"}
    assert re.fullmatch(
        r"[\w-]+@my-project\.iam\.gserviceaccount\.com", account["annotations"]["iam.gke.io/gcp-service-account"]
    )
    text = (DEPLOY / "helm-values.yaml").read_text(encoding="utf-8")
    (deployment,) = yaml.safe_load(re.sub(r"^( {8})# (?=\S+:|- )", r"\1", text, flags=re.MULTILINE))[
        "dagster-user-deployments"
    ]["deployments"]
    (key,) = [m for m in deployment["volumeMounts"] if m["name"] == "google-key"]
    assert key["readOnly"] is True
    for name in ("BIGQUERY_KEYFILE", "GOOGLE_APPLICATION_CREDENTIALS"):
        assert Path(deployment["env"][name]).parent == Path(key["mountPath"])
    assert {v["name"] for v in deployment["volumes"]} == {m["name"] for m in deployment["volumeMounts"]}


def test_the_clusters_instance_retries_and_queues_as_ours(helm, tmp_path):
    """The chart writes `additionalInstanceConfig` into dagster.yaml beside what its own keys give."""
    daemon, extra = helm["dagsterDaemon"], helm["additionalInstanceConfig"]
    root = read(PROJECT_DIR / "dagster.yaml")
    for name in ("concurrency", "run_retries", "nux"):
        assert extra[name] == root[name]
    assert not daemon["runCoordinator"]["enabled"]
    assert not daemon["runRetries"]["enabled"]
    monitoring = daemon["runMonitoring"]
    rendered = {
        "run_monitoring": {
            "enabled": monitoring["enabled"],
            "start_timeout_seconds": monitoring["startTimeoutSeconds"],
            "poll_interval_seconds": monitoring["pollIntervalSeconds"],
            "free_slots_after_run_end_seconds": monitoring["freeSlotsAfterRunEndSeconds"],
        },
        "run_launcher": {"module": "dagster_k8s", "class": "K8sRunLauncher", "config": {}},
        "telemetry": helm["telemetry"],
        **extra,
    }
    assert rendered["run_monitoring"] == {**root["run_monitoring"], "start_timeout_seconds": 300}
    (tmp_path / "dagster.yaml").write_text(yaml.safe_dump(rendered))
    dagster_instance_config(str(tmp_path), "dagster.yaml")


# --- the guide -----------------------------------------------------------------------------------------------------


def test_the_guide_names_what_is_there():
    named = set(re.findall(r"`((?:deploy|docs|\.github)/[\w./-]+)`", GUIDE))
    for name in named - {"deploy/compose.env"}:  # the reader's own
        assert (PROJECT_DIR / name).exists(), name
    for name in re.findall(r"`((?:raw|core|xmr)\.\w+)`", GUIDE):
        assert name in catalog.tables(), name


def test_the_guide_names_every_table_that_cannot_be_taken_again():
    listed = set(re.findall(r"`((?:raw|core|xmr)\.\w+)`", GUIDE.split("| what cannot be taken again |")[1]))
    snapshots = {address for address, table in catalog.tables().items() if table.write is Write.SNAPSHOT}
    assert snapshots < listed <= set(catalog.tables())


def test_the_guides_commands_are_ours():
    """Every `dreamclass-intel …` in it is a command with those options."""
    group: Any = typer.main.get_command(app)
    found = re.findall(r"dreamclass-intel ([a-z-]+)((?: --?[\w.-]+| (?:bigquery|duckdb))*)", GUIDE)
    assert {"doctor", "update", "copy-warehouse"} <= {name for name, _ in found}
    for name, options in found:
        group.commands[name].make_context(name, options.split())


def test_the_guides_roles_are_those_the_doctor_asks_for():
    said = re.search(r"\| \*\*the suite: all three\*\* \|(.+)\|", GUIDE)
    assert said is not None
    project, *datasets = [cell.strip() for cell in said.group(1).split("|")]
    assert f"roles/bigquery.{project} on the project" in LEAST
    assert [f"roles/bigquery.{role}" for role in datasets] == [EDITOR] * 3 + [VIEWER]
    for schema in {table.schema for table in catalog.tables().values()} | {*MODELS}:
        assert re.search(rf"for schema in [\w ]*\b{schema}\b", GUIDE), schema
