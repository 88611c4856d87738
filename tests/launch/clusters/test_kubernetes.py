"""`--cluster kubernetes`: manifests and settings."""

import base64
import contextlib
import copy
import json
import os
import re
import subprocess
import sys
from itertools import chain, product
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from cluster_scripts import SUM
from jsonschema import Draft202012Validator

from pushgrad.common.curve import load_keys, make_keys
from pushgrad.common.errors import JobError
from pushgrad.launch import cli
from pushgrad.launch.clusters.kubernetes import Kubernetes
from pushgrad.launch.clusters.kubernetes_manifests import KEYS, SECRET, secret
from pushgrad.launch.clusters.yaml_text import yaml_text
from pushgrad.launch.given import Options
from pushgrad.launch.options import make_job

RECORDED = Path(__file__).with_name("recorded")


@pytest.fixture(autouse=True)
def train(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("train.py").write_text(SUM)


def dry_run(*words):
    command = ["--cluster", "kubernetes", "--kubernetes", "image=registry/mine:1", "--kubernetes", "name=mine"]
    done = CliRunner().invoke(cli.command, [*command, "--dry-run", *words])
    assert done.exit_code == 0, done.output + repr(done.exception)
    return re.sub(r"[0-9]{8}-[0-9]{6}-[0-9a-f]{6}", "JOB", done.output)


@pytest.mark.parametrize("name", ["jobset", "jobs"])
def test_recorded(name):
    options = ["--workers", "3", "--servers", "2", "--timeout", "90", "--env", "API_TOKEN=hunter2"]
    for setting in ("namespace=ml", "queue=team", "cpu=2", "memory=4Gi", "gpus=1"):
        options += ["--kubernetes", setting]
    text = dry_run(*options, *(["--no-jobset"] if name == "jobs" else []), "train.py", "--lr", "0.1", "$(HOME)")
    assert "hunter2" not in text
    assert text.partition("\n---\n")[2] == (RECORDED / f"kubernetes_{name}.yaml").read_text()
    assert "kubectl create secret generic mine --namespace=ml --from-file=keys/client.key_secret" in text


TABLE = [
    [*chain(*options)]
    for options in product(
        ([], ["--no-jobset"]),
        ([], [f"--kubernetes={key}" for key in ("queue=q", "cpu=500m", "memory=1.5Gi", "gpus=2", "user=1000")]),
        ([], ["-n", "4", "-s", "3", "--workdir", "/job", "--timeout", "1.5", "--grace-period", "0"]),
        ([], ["--env", "A=no", "--env", "B=1e3", "--env", "C=é \t😀", "--env", "MY_SECRET=x"]),
    )
]


SCHEMAS = json.loads((Path(__file__).parent / "schemas" / "kubernetes.json").read_text())
KINDS = {"Job": "job-batch-v1", "Service": "service-v1", "Secret": "secret-v1", "JobSet": "jobset"}


def errors(item, version):
    """What the API of a version would not take of an object, as paths and messages."""
    known = {name: schema for name, kept in SCHEMAS.items() for versions, schema in kept if version in versions}
    validator = Draft202012Validator({"$ref": f"#/$defs/{KINDS[item['kind']]}", "$defs": known})
    return [(error.json_path, error.message) for error in validator.iter_errors(item)]


@pytest.fixture(scope="module")
def objects(tmp_path_factory):
    """What is created for each row of the table."""
    with contextlib.chdir(tmp_path_factory.mktemp("table")):
        Path("train.py").write_text("")
        texts = [dry_run(*options, "train.py", "yes") for options in TABLE]
        hidden = make_job(Options("train.py", cluster="kubernetes", kubernetes=["image=x"], env=["A_TOKEN=1"]), {})
    found = [each for text in texts for each in yaml.safe_load_all(text) if each is not None]
    return [*found, secret(hidden, {"client.key_secret": b"k"})]


@pytest.mark.parametrize("version", ["1.35", "1.36", "1.37"])
def test_the_schemas_of_the_api(objects, version):
    assert {each["kind"] for each in objects} == set(KINDS)
    assert [errors(each, version) for each in objects] == [[]] * len(objects)


def test_the_schemas_would_find_mistakes(objects):
    jobset, job = (copy.deepcopy(next(item for item in objects if item["kind"] == kind)) for kind in ("JobSet", "Job"))
    job["spec"]["template"]["spec"]["containers"][0]["environment"] = []
    job["spec"]["completions"] = "3"
    paths = [path for path, _ in errors(job, "1.37")]
    assert sorted(paths) == ["$.spec.completions", "$.spec.template.spec.containers[0]"]
    jobset["spec"]["replicatedJobs"][1]["template"]["spec"]["paralelism"] = 1
    jobset["spec"]["restarts"] = 0
    paths = [path for path, _ in errors(jobset, "1.35")]
    assert sorted(paths) == ["$.spec", "$.spec.replicatedJobs[1].template.spec"]


def pods(text):
    """Each process that the manifests start, as argv of preparation and process, and environment."""
    for each in yaml.safe_load_all(text):
        for index in range(each["spec"]["completions"] if each["kind"] == "Job" else 0):
            pod = each["spec"]["template"]["spec"]
            (container,), (prepare,) = pod["containers"], pod["initContainers"]
            values = {"status.podIP": "127.0.0.1"}
            env = {}
            for item in container["env"]:
                where = item.get("valueFrom", {}).get("fieldRef", {}).get("fieldPath")
                env[item["name"]] = item["value"] if where is None else values.get(where, str(index))
            yield f"{container['name']}-{index}", prepare["command"], container["command"], env


@pytest.mark.long
def test_the_pods_train(new_job, tmp_path):
    """Every pod as processes, with nothing replaced but the scheduler's name and port, and paths."""
    job = new_job(ipc=False)
    (job.folder / "train.py").write_text(SUM)
    (tmp_path / "secret").mkdir()
    make_keys(tmp_path / "secret" / "keys")
    paths = {SECRET: str(tmp_path / "secret" / "keys"), KEYS: str(tmp_path / "closed")}
    bin_folder = Path(sys.executable).parent
    path = {"PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}"}
    for name, prepare, command, env in pods(dry_run("--workers", "2", "--no-jobset", "train.py")):
        assert prepare[3] == ("localhost" if name == "scheduler-0" else "mine-scheduler-0.mine")
        script = prepare[2]
        for folder, other in paths.items():
            script = script.replace(folder, other)
        subprocess.run([*prepare[:2], script, "localhost"], check=True, timeout=30)
        load_keys(str(tmp_path / "closed"))  # it would refuse a folder that is open to others
        here = {**path, "DMLC_PS_ROOT_URI": "127.0.0.1", "PUSHGRAD_KEYS": str(tmp_path / "closed")}
        if name == "scheduler-0":
            job.start_scheduler(command, **{**env, **here, "DMLC_PS_ROOT_PORT": "0"})
            continue
        assert env["DMLC_PS_ROOT_URI"] == "mine-scheduler-0.mine"
        job.spawn(name, command, **{**env, **here, "DMLC_PS_ROOT_PORT": job.env["DMLC_PS_ROOT_PORT"]})
    job.succeed()
    for rank in (0, 1):
        assert job.out(f"worker-{rank}") == "sum [2. 2.] of 2\n"


def made(**options):
    return make_job(Options("train.py", cluster="kubernetes", **options), {})


def test_the_secret():
    job = made(kubernetes=["image=x", "name=mine"], env=["API_TOKEN=hunter 2", "COLOUR=red"])
    found = secret(job, {"client.key_secret": b"k"})
    assert found["kind"] == "Secret" and found["metadata"]["name"] == "mine"
    assert found["data"] == {
        "client.key_secret": base64.b64encode(b"k").decode(),
        "API_TOKEN": base64.b64encode(b"hunter 2").decode(),
    }


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({}, "--cluster kubernetes needs an image"),
        ({"kubernetes": ["cpu=1"]}, "needs an image. --kubernetes image=registry/name:tag"),
        ({"kubernetes": ["image=x", "images=y"]}, "images: there is no such setting. Did you mean image?"),
        ({"kubernetes": ["image=x", "memory=4 GB"]}, "--kubernetes memory: expected memory of each process"),
        ({"kubernetes": ["image=x", "name=Mine"]}, "--kubernetes name: expected up to 40 small letters"),
        ({"kubernetes": ["image=x", f"name={'a' * 41}"]}, "--kubernetes name"),
        ({"kubernetes": ["image="]}, "--kubernetes image"),
        ({"kubernetes": ["image=x"], "gpus": "cpu"}, "`--kubernetes gpus=1` gives each worker one"),
        ({"kubernetes": ["image=x"], "hostfile": "h"}, "--hostfile: --cluster kubernetes has no use for it"),
    ],
)
def test_what_is_refused(options, told):
    with pytest.raises(JobError) as refused:
        Kubernetes().plan(made(**options))
    assert told in str(refused.value)


def test_a_job_elsewhere_has_nothing_of_this_host():
    job = made(kubernetes=["image=x"])
    assert job.command == ("python", "train.py") and job.role_command[0] == "python"
    assert not {"OMP_NUM_THREADS", "NUMBA_NUM_THREADS"} & set(job.defaults)
    assert job.defaults["PYTHONUNBUFFERED"] == "1" and job.start_timeout == 600
    assert made(kubernetes=["image=x"], python="/opt/python").command[0] == "/opt/python"


VALUES = [
    *("", "no", "Yes", "y", "null", "~", "1", "-1", "0x10", "1e3", ".inf", "12:30", "2020-01-01", "<<", "=", "a: b"),
    *("- a", "a #b", "#", "{", "[a]", "*a", "&a", "!a", "%a", "@a", "`a", "|", ">", "'a'", '"a"', "\\", "a\tb", "\n"),
    *(" a ", "\x7f\x85", "\u2028", "é", "😀", "a" * 200, "a b " * 50, "registry/a:1", 1, -3, 1.5, True, False),
]


def test_yaml_is_read_as_it_was_meant():
    for value in (VALUES, [[each] for each in VALUES], [{"a": each, "b": [each, {}]} for each in VALUES], {}, []):
        assert yaml.safe_load(yaml_text(value)) == value
    keys = {str(value): {str(value): []} for value in VALUES}
    assert yaml.safe_load(yaml_text(keys)) == keys
