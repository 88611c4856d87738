"""`--cluster kubernetes` without Kubernetes: manifests, and kubectl's part with a stand-in for it.

PUSHGRAD_KUBERNETES names an interpreter with the package kubernetes-validate, which has the schemas of the API.
"""

import base64
import json
import os
import re
import signal
import subprocess
import sys
from itertools import chain, product
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from cluster_scripts import SUM

from pushgrad.common.curve import load_keys, make_keys
from pushgrad.common.errors import JobError
from pushgrad.launch import cli
from pushgrad.launch.clusters.kubernetes import Kubernetes
from pushgrad.launch.clusters.kubernetes_manifests import KEYS, SECRET, secret
from pushgrad.launch.clusters.yaml_text import yaml_text
from pushgrad.launch.display import PlainDisplay
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


@pytest.mark.skipif("PUSHGRAD_KUBERNETES" not in os.environ, reason="PUSHGRAD_KUBERNETES names no interpreter")
@pytest.mark.parametrize("version", ["1.35", "1.36", "1.37"])
def test_the_schemas_of_the_api(version):
    """A JobSet is no object of the API's own; the Jobs in it are checked as such."""
    checked = 0
    for number, options in enumerate(TABLE):
        text = dry_run(*options, "train.py", "yes")
        objects = [each for each in yaml.safe_load_all(text) if each is not None]
        for each in [each for each in objects if each["kind"] == "JobSet"]:
            jobs = [{"metadata": {"name": job["name"]}, **job["template"]} for job in each["spec"]["replicatedJobs"]]
            objects += [{"apiVersion": "batch/v1", "kind": "Job", **job} for job in jobs]
        objects = [each for each in objects if each["kind"] != "JobSet"]
        Path(f"{number}.yaml").write_text(yaml.safe_dump_all(objects))
        checked += len(objects)
    check = "import sys; from kubernetes_validate.__main__ import main; sys.exit(main())"
    command = [os.environ["PUSHGRAD_KUBERNETES"], "-c", check, "--strict", "--kubernetes-version", version]
    done = subprocess.run(
        [*command, *(f"{number}.yaml" for number in range(len(TABLE)))], capture_output=True, text=True, timeout=60
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0 and said.count(" passed ") == checked and "ERROR" not in said, said


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


# Keeps what it is told to create, and says of the pods what the file `pods` does.
KUBECTL = f"""#!{sys.executable}
import pathlib, sys
folder = pathlib.Path(__file__).parent
with open(folder / "calls", "a") as calls:
    print(*sys.argv[1:], file=calls)
match sys.argv[1]:
    case "create":
        (folder / "created").write_text(sys.stdin.read())
        if (folder / "refusal").exists():
            sys.exit((folder / "refusal").read_text())
    case "get":
        print((folder / "pods").read_text())
    case "logs":
        print("hello from", sys.argv[3])
"""


@pytest.fixture
def kubectl(tmp_path, monkeypatch):
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "kubectl").write_text(KUBECTL)
    (folder / "kubectl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return folder


def pod(role, index, code=None):
    # As the API describes them: https://kubernetes.io/docs/reference/generated/kubernetes-api/v1.32/#containerstatus-v1-core
    state = {"running": {}}
    if code is not None:
        state = {"terminated": {"exitCode": code, "reason": "Error" if code else "Completed", "finishedAt": f"T{code}"}}
    return {
        "metadata": {
            "name": f"mine-{role}-{index}-x",
            "labels": {"app.kubernetes.io/component": role},
            "annotations": {"batch.kubernetes.io/job-completion-index": str(index)},
        },
        "status": {"phase": "Running", "containerStatuses": [{"name": role, "state": state}]},
    }


def listed(*items):
    return json.dumps({"items": items})


def start(launch, *options):
    command = [sys.executable, "-m", "pushgrad.launch", "--cluster", "kubernetes", "--kubernetes", "image=x"]
    argv = [*command, "--kubernetes", "name=mine", *options, "train.py"]
    return launch(argv=argv, env={"PATH": os.environ["PATH"]})


def test_kubectl_creates_and_removes(launch, kubectl):
    (kubectl / "pods").write_text(listed(pod("scheduler", 0, 0), pod("server", 0, 0), pod("worker", 0, 0)))
    job = start(launch)
    assert job.finish() == 0, job.text
    created = [each["kind"] for each in yaml.safe_load_all((kubectl / "created").read_text())]
    assert created == ["Secret", "JobSet"]
    assert "w0 | hello from mine-worker-0-x" in job.lines and "sched | hello from mine-scheduler-0-x" in job.lines
    last = (kubectl / "calls").read_text().splitlines()[-1]
    assert last == "delete jobsets,services,secrets,jobs --selector app.kubernetes.io/instance=mine"


def test_the_first_that_failed_tells_the_code(launch, kubectl):
    (kubectl / "pods").write_text(listed(pod("scheduler", 0, 5), pod("server", 0, 5), pod("worker", 0, 3)))
    job = start(launch, "--no-jobset")
    assert job.finish() == 3, job.text
    assert "launch | w0 (pod mine-worker-0-x) ended with exit code 3: Error" in job.errors
    assert "`kubectl delete services,secrets,jobs --selector app.kubernetes.io/instance=mine` removes it" in job.text


def write(path, text):
    """Whole at once: it may be read at any time."""
    (path.with_suffix(".new")).write_text(text)
    path.with_suffix(".new").rename(path)


def test_pods_that_kubernetes_removes_have_ended(launch, kubectl):
    """When a Job has failed, its other pods are no longer there to be asked."""
    write(kubectl / "pods", listed(pod("scheduler", 0), pod("server", 0), pod("worker", 0), pod("worker", 1)))
    job = start(launch, "--quiet", "--workers", "2")
    job.wait_for("hello from", 4)
    write(kubectl / "pods", listed(pod("scheduler", 0, 1), pod("server", 0, 1), pod("worker", 1, 9)))
    assert job.finish() == 1, job.text
    assert job.errors[0] == "launch | ps0 (pod mine-server-0-x) ended with exit code 1: Error"


@pytest.mark.parametrize(("options", "code"), [([], 1), (["--timeout", "0.001"], 124)])
def test_pods_that_somebody_removes(launch, kubectl, options, code):
    write(kubectl / "pods", listed(pod("scheduler", 0), pod("server", 0), pod("worker", 0)))
    job = start(launch, *options)
    job.wait_for("hello from", 3)
    write(kubectl / "pods", listed())
    assert job.finish() == code, job.text
    assert "the pods of ps0, sched, w0 have been removed" in job.text


def test_a_job_of_which_pods_never_begin(launch, kubectl):
    (kubectl / "pods").write_text(listed(pod("scheduler", 0, 4)))
    job = start(launch, "--grace-period", "0")
    assert job.finish() == 4, job.text


def test_ctrl_c_removes_it(launch, kubectl):
    (kubectl / "pods").write_text(listed(pod("scheduler", 0), pod("server", 0), pod("worker", 0)))
    job = start(launch)
    job.wait_for("hello from", 3)
    job.send(signal.SIGINT)
    assert job.finish() == 130 and "mine is deleted" in job.text
    assert (kubectl / "calls").read_text().splitlines()[-1].startswith("delete jobsets")


def test_what_kubectl_refuses(launch, kubectl):
    (kubectl / "refusal").write_text('no matches for kind "JobSet" in version "jobset.x-k8s.io/v1alpha2"')
    job = start(launch)
    assert job.finish() == 2
    assert 'kubectl create failed: no matches for kind "JobSet"' in job.text and "Traceback" not in job.text


def test_without_kubectl(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    job = made(kubernetes=["image=x"])
    with pytest.raises(JobError, match="there is no kubectl here"):
        Kubernetes().run(job, Kubernetes().plan(job), PlainDisplay())
