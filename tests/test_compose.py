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
    """`${NAME:-default}` and `$$` as compose replaces them."""
    found = re.sub(r"\$\{(\w+):-([^}]*)\}", lambda found: variables.get(found[1]) or found[2], text)
    return found.replace("$$", "$")


def argv(service, **variables):
    entrypoint = [interpolate(word, variables) for word in SERVICES[service]["entrypoint"]]
    return [*entrypoint, *shlex.split(interpolate(SERVICES[service]["command"], variables))]


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
    assert ROLES == {"scheduler": "scheduler", "server": "server", "worker": "worker", "worker-gpu": "worker"}
    assert [SERVICES[name].get("scale", 1) for name in ROLES] == [1, 2, 2, 1]
    for name in ROLES:
        env = environment(name)
        assert env["DMLC_PS_ROOT_URI"] == "scheduler"
        assert not {"DMLC_NUM_WORKER", "DMLC_NUM_SERVER", "DMLC_WORKER_ID", "DMLC_SERVER_ID"} & set(env)
        assert len({environment(other)["DMLC_PS_ROOT_PORT"] for other in ROLES}) == 1


def test_the_gpu_profile_adds_a_worker():
    service = SERVICES["worker-gpu"]
    assert [name for name, item in SERVICES.items() if "profiles" in item] == ["worker-gpu"]
    assert service["networks"]["default"]["aliases"] == ["worker"]
    assert service["deploy"]["resources"]["reservations"]["devices"][0]["capabilities"] == ["gpu"]
    assert service["build"]["args"] == {"EXTRAS": "[cuda13]"} and 'ARG EXTRAS=""' in DOCKERFILE
    assert argv("worker-gpu", GPUS="0,1")[-4:] == ["python", "examples/mnist.py", "--gpus", "0,1"]


def test_nobody_starts_before_the_keys_are_there_and_the_scheduler_is_the_last():
    for name in ROLES:
        waits = {other: item["condition"] for other, item in SERVICES[name]["depends_on"].items()}
        assert waits.pop("keys") == "service_completed_successfully"
        others = set(ROLES) - {"scheduler"} if name == "scheduler" else set()
        assert waits == dict.fromkeys(others, "service_started")
    # It may not be asked for, or have no containers.
    assert not SERVICES["scheduler"]["depends_on"]["worker-gpu"]["required"]


def mounts(service):
    """Folder in the container -> (volume, writable)."""
    parts = [item.split(":") for item in SERVICES[service]["volumes"]]
    return {part[1]: (part[0], part[2:] != ["ro"]) for part in parts}


def test_volumes_cover_folders_that_the_image_makes_for_its_user():
    made = re.search(r"install --directory --owner=pushgrad --group=pushgrad --mode=0700 (.+)", DOCKERFILE)[1].split()
    assert "USER 10001" in DOCKERFILE.splitlines() and "useradd --uid 10001" in DOCKERFILE
    for name in SERVICES:
        assert set(mounts(name)) <= set(made)
        assert {volume for volume, _ in mounts(name).values()} <= set(yaml.safe_load(FILE.read_text())["volumes"])
    cache = re.search(r"NUMBA_CACHE_DIR=(\S+)", DOCKERFILE)[1]
    for name in ROLES:
        writes = name == "scheduler"  # how many there are
        assert mounts(name) == {environment(name)["PUSHGRAD_KEYS"]: ("keys", writes), cache: ("cache", True)}


def test_the_image_gets_what_it_copies():
    ignored = (ROOT / ".dockerignore").read_text().split() if (ROOT / ".dockerignore").exists() else []
    assert not {"examples", "README.md", "LICENSE", "pyproject.toml", "worker", "*.md"} & set(ignored)
    assert "COPY --chown=10001 examples examples" in DOCKERFILE


def test_the_keys_service_makes_what_the_others_need(tmp_path):
    (tmp_path / "keys").mkdir(mode=0o700)
    folder = environment("scheduler")["PUSHGRAD_KEYS"]
    assert mounts("keys") == {folder: ("keys", True)}
    command = [item.replace(folder, str(tmp_path / "keys")) for item in argv("keys")]
    (tmp_path / "keys" / "size").write_text("export DMLC_NUM_WORKER=9\n")  # of the last job
    for _ in range(2):  # `docker compose up` runs it again each time
        subprocess.run(command, env=with_our_python(os.environ), check=True, capture_output=True, timeout=60)
        keys = load_keys(str(tmp_path / "keys"))
    assert keys == load_keys(str(tmp_path / "keys"))
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700
    assert not (tmp_path / "keys" / "size").exists()


def with_our_python(env):
    """The container has one Python; here it is the one that runs the tests."""
    return {**env, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{env['PATH']}"}


@pytest.mark.parametrize("args", [None, "--network mlp --num-epochs 2"])
def test_arguments_of_the_script(args):
    words = argv("worker", **({"MNIST_ARGS": args} if args else {}))
    assert words[words.index("member") + 1 :] == ["python", "examples/mnist.py", *(args or "").split()]


# What Docker's names lead to: as many addresses as there are containers, each once for every type of socket.
GETENT = """#!/bin/sh
case "$1 $2" in "ahostsv4 worker") n=4 ;; "ahostsv4 server") n=1 ;; esac
for i in $(seq $n); do echo "10.0.0.$i   STREAM $2"; echo "10.0.0.$i   DGRAM"; done
"""


@pytest.mark.long
def test_its_commands_and_environments_train(new_job):
    """`docker compose up --scale worker=4 --scale server=1`: every container as a process, with nothing replaced but
    the scheduler's name and port, paths, and Docker's names.
    """
    job = new_job(ipc=False)
    job.env = with_our_python({key: job.env[key] for key in os.environ if key in job.env})
    job.env["PATH"] = f"{job.folder}{os.pathsep}{job.env['PATH']}"
    (job.folder / "getent").write_text(GETENT)
    (job.folder / "getent").chmod(0o755)
    (job.folder / "examples").symlink_to(ROOT / "examples")
    here = {"DMLC_PS_ROOT_URI": "127.0.0.1", "PUSHGRAD_KEYS": str(job.folder / "keys")}
    make_keys(job.folder / "keys")
    scheduler = {**environment("scheduler"), **here, "DMLC_PS_ROOT_PORT": "0"}
    job.start_scheduler(argv("scheduler"), **scheduler)
    here["DMLC_PS_ROOT_PORT"] = job.env["DMLC_PS_ROOT_PORT"]
    assert is_healthy({**job.env, **here}) and not is_healthy({**job.env, **here, "DMLC_PS_ROOT_PORT": "1"})
    for name, number in (("server", 1), ("worker", 4)):
        for each in range(number):
            command = argv(name, MNIST_ARGS="--network mlp --num-epochs 1")
            job.spawn(f"{name}-{each}", command, **{**environment(name), **here})
    job.succeed(100)
    text = "".join(job.out(f"worker-{each}") for each in range(4))
    assert "global batch 100 = 4 workers x 25" in text
    (accuracy,) = re.findall(r"^Test-accuracy=(\S+)$", text, re.MULTILINE)
    assert float(accuracy) > 0.8


def is_healthy(env):
    kind, *command = SERVICES["scheduler"]["healthcheck"]["test"]
    assert kind == "CMD"
    return subprocess.run(command, env=env, capture_output=True, timeout=60).returncode == 0


def test_no_build_tools_are_left_in_the_image():
    """The last stage installs nothing; it takes over a folder from which pip has removed itself."""
    build, last = DOCKERFILE.split("\nFROM ")[-2:]
    assert "pip uninstall --yes pip setuptools" in build and "pip install" not in last
    assert "pip uninstall --yes --root-user-action=ignore pip setuptools wheel" in last
