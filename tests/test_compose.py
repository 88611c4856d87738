"""docker-compose.yml and Dockerfile, without an engine: against the specification, and as processes."""

import os
import re
import shlex
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from pushgrad.common.curve import load_keys, make_keys

ROOT = Path(__file__).resolve().parent.parent
FILE, DOCKERFILE = ROOT / "docker-compose.yml", (ROOT / "Dockerfile").read_text()
SERVICES = yaml.safe_load(FILE.read_text())["services"]
ROLES = {name: item["environment"]["DMLC_ROLE"] for name, item in SERVICES.items() if "environment" in item}


def interpolate(text, variables):
    """`${NAME:-default}` as compose replaces it."""
    return re.sub(r"\$\{(\w+):-([^}]*)\}", lambda found: variables.get(found[1]) or found[2], text)


def argv(service, **variables):
    return shlex.split(interpolate(SERVICES[service]["command"], variables))


def environment(service, **variables):
    return {key: interpolate(text, variables) for key, text in SERVICES[service]["environment"].items()}


def test_the_file_is_valid_by_the_compose_specification():
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", FILE]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_schema_would_find_a_mistake(tmp_path):
    wrong = tmp_path / "docker-compose.yml"
    wrong.write_text(FILE.read_text().replace("depends_on:", "depend_on:", 1))
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", wrong]
    assert subprocess.run(command, capture_output=True, timeout=60).returncode == 1


def test_the_services_make_one_whole_job():
    assert sorted(ROLES.values()) == ["scheduler", "server", "worker", "worker"]
    assert ROLES["scheduler"] == "scheduler"
    for name in ROLES:
        env = environment(name)
        assert env["DMLC_PS_ROOT_URI"] == "scheduler"
        assert int(env["DMLC_NUM_WORKER"]) == list(ROLES.values()).count("worker")
        assert int(env["DMLC_NUM_SERVER"]) == list(ROLES.values()).count("server")
        assert len({environment(other)["DMLC_PS_ROOT_PORT"] for other in ROLES}) == 1
    workers = [environment(name)["DMLC_WORKER_ID"] for name, role in ROLES.items() if role == "worker"]
    assert sorted(workers) == ["0", "1"]


def test_nobody_starts_before_the_keys_are_there_and_the_scheduler_has_a_name():
    for name in ROLES:
        waits = {other: item["condition"] for other, item in SERVICES[name]["depends_on"].items()}
        assert waits["keys"] == "service_completed_successfully"
        assert name == "scheduler" or waits["scheduler"] == "service_started"


def mounts(service):
    """Folder in the container -> (volume, writable)."""
    parts = [item.split(":") for item in SERVICES[service]["volumes"]]
    return {part[1]: (part[0], part[2:] != ["ro"]) for part in parts}


def test_volumes_cover_folders_that_the_image_makes_for_its_user():
    made = re.search(r"install --directory --owner=pushgrad --group=pushgrad --mode=0700 (.+)", DOCKERFILE)[1].split()
    assert "USER pushgrad" in DOCKERFILE.splitlines()
    for name in SERVICES:
        assert set(mounts(name)) <= set(made)
        assert {volume for volume, _ in mounts(name).values()} <= set(yaml.safe_load(FILE.read_text())["volumes"])
    cache = re.search(r"NUMBA_CACHE_DIR=(\S+)", DOCKERFILE)[1]
    for name in ROLES:
        assert mounts(name) == {environment(name)["PUSHGRAD_KEYS"]: ("keys", False), cache: ("cache", True)}


def test_the_image_gets_what_it_copies():
    ignored = (ROOT / ".dockerignore").read_text().split() if (ROOT / ".dockerignore").exists() else []
    assert not {"examples", "README.md", "LICENSE", "pyproject.toml", "worker", "*.md"} & set(ignored)
    assert "COPY --chown=pushgrad:pushgrad examples examples" in DOCKERFILE


def test_the_keys_service_makes_what_the_others_need(tmp_path):
    (tmp_path / "keys").mkdir(mode=0o700)
    folder = environment("scheduler")["PUSHGRAD_KEYS"]
    assert mounts("keys") == {folder: ("keys", True)}
    command = [item.replace(folder, str(tmp_path / "keys")) for item in argv("keys")]
    for _ in range(2):  # `docker compose up` runs it again each time
        subprocess.run(command, env=with_our_python(os.environ), check=True, capture_output=True, timeout=60)
        keys = load_keys(str(tmp_path / "keys"))
    assert keys == load_keys(str(tmp_path / "keys"))
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700


def with_our_python(env):
    """The container has one Python; here it is the one that runs the tests."""
    return {**env, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{env['PATH']}"}


@pytest.mark.parametrize("args", [None, "--network mlp --num-epochs 2"])
def test_arguments_of_the_script(args):
    assert argv("worker-1", **({"MNIST_ARGS": args} if args else {})) == [
        "python",
        "examples/mnist.py",
        *(args or "").split(),
    ]


def test_its_commands_and_environments_train(new_job):
    """Every service as a process, with nothing replaced but the scheduler's name and port, and paths."""
    job = new_job(ipc=False)
    job.env = with_our_python({key: job.env[key] for key in os.environ if key in job.env})
    (job.folder / "examples").symlink_to(ROOT / "examples")
    here = {"DMLC_PS_ROOT_URI": "127.0.0.1", "PUSHGRAD_KEYS": str(job.folder / "keys")}
    make_keys(job.folder / "keys")
    scheduler = {**environment("scheduler"), **here, "DMLC_PS_ROOT_PORT": "0"}
    job.start_scheduler(argv("scheduler"), **scheduler)
    here["DMLC_PS_ROOT_PORT"] = job.env["DMLC_PS_ROOT_PORT"]
    for name in ROLES:
        if name != "scheduler":
            job.spawn(name, argv(name, MNIST_ARGS="--network mlp --num-epochs 1"), **{**environment(name), **here})
    job.succeed()
    assert "global batch 100 = 2 workers x 50" in job.out("worker-0")
    assert float(re.search(r"^Test-accuracy=(\S+)$", job.out("worker-0"), re.MULTILINE)[1]) > 0.8
    assert job.out("worker-1") == ""
