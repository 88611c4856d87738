"""`--cluster kubernetes` against a stand-in for the API server: created, followed and deleted, by each way to it."""

import io
import shutil
import signal
import sys
import threading
from importlib.util import find_spec
from pathlib import Path

import pytest
from kubernetes_server import ApiServer

from pushgrad.common.errors import JobError
from pushgrad.launch.clusters import kubernetes_connection, kubernetes_logs, kubernetes_run
from pushgrad.launch.clusters.kubectl import Kubectl
from pushgrad.launch.clusters.kubernetes import Kubernetes
from pushgrad.launch.clusters.kubernetes_api import Refused, Unreachable
from pushgrad.launch.clusters.kubernetes_pods import Pod
from pushgrad.launch.display import PlainDisplay, TextWriter
from pushgrad.launch.given import Options
from pushgrad.launch.options import make_job

pytestmark = pytest.mark.skipif(not shutil.which("openssl"), reason="needs openssl, for the API server's certificate")
WAYS = [
    pytest.param("client", marks=pytest.mark.skipif(not find_spec("kubernetes"), reason="no package kubernetes")),
    pytest.param("kubectl", marks=pytest.mark.skipif(not shutil.which("kubectl"), reason="no kubectl")),
]


@pytest.fixture
def server(tmp_path, monkeypatch):
    made = ApiServer(tmp_path)
    monkeypatch.setenv("KUBECONFIG", str(made.configuration))
    monkeypatch.chdir(tmp_path)
    Path("train.py").write_text("")
    yield made
    made.close()


@pytest.fixture(params=WAYS)
def way(request, monkeypatch):
    if request.param == "kubectl":  # which is the second choice
        monkeypatch.setattr(kubernetes_run, "connect", Kubectl)
    return request.param


class Started:
    """A job that is followed in a thread."""

    def __init__(self, **options):
        kubernetes = ["image=x", "name=mine", *options.pop("kubernetes", [])]
        job = make_job(Options("train.py", cluster="kubernetes", kubernetes=kubernetes, **options), {})
        self.out, self.code, self.error = io.StringIO(), None, None
        display = PlainDisplay(TextWriter(self.out), TextWriter(self.out))
        self._thread = threading.Thread(target=self._run, args=(job, display), daemon=True)
        self._thread.start()

    def _run(self, job, display):
        try:
            self.code = kubernetes_run.run(job, Kubernetes().plan(job), display)
        except JobError as error:
            self.error = error

    def finish(self):
        self._thread.join(30)
        assert not self._thread.is_alive(), self.out.getvalue()
        return self.code

    @property
    def lines(self):
        return self.out.getvalue().splitlines()


RUNNING = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}


def ended(code, second=0, reason=None):
    reason = reason or ("Error" if code else "Completed")
    return {"terminated": {"exitCode": code, "reason": reason, "finishedAt": f"2026-01-01T00:00:{second:02}Z"}}


def pod(role, index, state=None, phase="Running", **status):
    # As the API describes them: https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/
    containers = [] if state is None else [{"name": role, "state": state}]
    return {
        "kind": "Pod",
        "metadata": {
            "name": f"mine-{role}-{index}-x",
            "labels": {"app.kubernetes.io/instance": "mine", "app.kubernetes.io/component": role},
            "annotations": {"batch.kubernetes.io/job-completion-index": str(index)},
        },
        "status": {"phase": phase, "containerStatuses": containers, **status},
    }


ALL = ("scheduler", "server", "worker")


def watching(server):
    """Wait until somebody has listed the pods for the second time, or watches them."""
    server.wait_for(lambda: [each[:2] for each in server.requests].count(("GET", "pods")) >= 2)


@pytest.mark.parametrize("jobset", [True, False])
def test_created_followed_and_deleted(server, way, jobset):
    job = Started(no_jobset=not jobset)
    created = ["jobsets/mine"] if jobset else [*(f"jobs/mine-{role}" for role in ALL), "services/mine"]
    server.wait_for(lambda: server.names() == sorted([*created, "secrets/mine"]))
    for role in ALL:
        server.put(pod(role, 0, {"waiting": {"reason": "ContainerCreating"}}, "Pending"))
    watching(server)
    for role in ALL:
        server.put(pod(role, 0, RUNNING))
        server.write(f"mine-{role}-0-x", ("2026-01-01T00:00:00.5Z", f"hello from {role}"), over=True)
        server.put(pod(role, 0, ended(0)))
    assert job.finish() == 0, job.out.getvalue()
    assert {"w0 | hello from worker", "ps0 | hello from server", "sched | hello from scheduler"} <= set(job.lines)
    name = {"client": "the package kubernetes", "kubectl": "kubectl"}[way]
    assert f"launch | mine is created by {name}: 3 pods" in job.lines and not server.names()
    assert "launch | w0 (pod mine-worker-0-x): ContainerCreating" in job.lines
    secret = next(item for (plural, _), item in server.objects.items() if plural == "pods")
    assert secret["kind"] == "Pod", "nothing but what was created is deleted"


def test_what_breaks_off_is_taken_up(server, way, monkeypatch):
    """Every line is shown once, although an output is asked for again from a whole second on."""
    monkeypatch.setattr(kubernetes_logs, "PAUSE", 0.01)
    monkeypatch.setattr(kubernetes_run, "PAUSE", 0.01)
    for role in ALL:
        server.put(pod(role, 0, RUNNING))
    server.write("mine-worker-0-x", ("2026-01-01T00:00:00.1Z", "first"), ("2026-01-01T00:00:00.2Z", "second"))
    job = Started()
    asked = ("GET", "pods/log", "mine-worker-0-x")
    server.wait_for(lambda: asked in server.requests)
    while "second" not in job.out.getvalue():
        server.wait_for(lambda: True)
    server.break_off("log")
    server.wait_for(lambda: server.requests.count(asked) >= 2)
    server.write("mine-worker-0-x", ("2026-01-01T00:00:00.3Z", "third"))
    server.forget()
    watches = server.requests.count(("GET", "pods", None))
    server.break_off("watch")
    server.wait_for(lambda: server.requests.count(("GET", "pods", None)) > watches)
    for role in ALL:
        server.write(f"mine-{role}-0-x", over=True)
        server.put(pod(role, 0, ended(0)))
    assert job.finish() == 0, job.out.getvalue()
    assert [line for line in job.lines if line.startswith("w0 | ")] == ["w0 | first", "w0 | second", "w0 | third"]


def test_an_api_that_is_away_for_a_while(server, way, monkeypatch):
    monkeypatch.setattr(kubernetes_run, "PAUSE", 0.01)
    server.refusals["GET", "pods"] = (503, "the server is currently unable to handle the request")
    job = Started()
    watching(server)
    del server.refusals["GET", "pods"]
    for role in ALL:
        server.write(f"mine-{role}-0-x", over=True)
        server.put(pod(role, 0, ended(0)))
    assert job.finish() == 0, job.out.getvalue()
    assert job.out.getvalue().count("ServiceUnavailable: the server is currently unable") == 1


REFUSED = [
    ("secrets", 403, 'secrets is forbidden: User "me" cannot create resource "secrets"', "The account needs create"),
    ("secrets", 409, 'secrets "mine" already exists', "`--kubernetes name=...` gives this job another name"),
    ("jobsets", 422, 'JobSet "mine" is invalid: spec.replicatedJobs: Invalid value: "x"', 'Invalid value: "x"'),
]


@pytest.mark.parametrize(("plural", "code", "message", "told"), REFUSED)
def test_what_the_api_refuses(server, way, plural, code, message, told):
    server.refusals["POST", plural] = (code, message)
    job = Started()
    assert job.finish() is None
    assert message in str(job.error) and told in str(job.error) and " mine: Kubernetes: " in str(job.error)
    assert not server.names(), "what was created before is removed"


def test_another_job_of_that_name_is_left_alone(server, way):
    server.put({"kind": "Service", "metadata": {"name": "mine"}})
    job = Started(no_jobset=True)
    job.finish()
    assert job.error.reason == "AlreadyExists" and server.names() == ["services/mine"]


def test_a_cluster_without_jobset(server, way):
    server.jobset = False
    job = Started()
    job.finish()
    assert "--no-jobset is for clusters in which JobSet is not installed" in str(job.error)
    assert not server.names()


def test_pods_that_may_not_be_seen(server, way):
    server.refusals["GET", "pods"] = (403, 'pods is forbidden: User "me" cannot list resource "pods"')
    job = Started()
    assert job.finish() is None and "cannot list resource" in str(job.error) and not server.names()


OUTCOMES = [
    # The scheduler and the server end because of the worker, in the same second.
    ([ended(1, 5), ended(1, 5), ended(3, 5)], 3, "w0 (pod mine-worker-0-x) ended with exit code 3: Error"),
    ([ended(1, 4), ended(1, 5), ended(1, 5)], 1, "sched (pod mine-scheduler-0-x) ended with exit code 1: Error"),
    (
        [ended(1, 9), ended(137, 8, "OOMKilled"), ended(1, 9)],
        137,
        "ps0 (pod mine-server-0-x) ended with exit code 137: OOMKilled",
    ),
]


@pytest.mark.parametrize(("states", "code", "told"), OUTCOMES)
def test_the_first_that_failed_tells_the_code(server, states, code, told):
    for role, state in zip(ALL, states, strict=True):
        server.write(f"mine-{role}-0-x", over=True)
        server.put(pod(role, 0, state, "Failed"))
    job = Started(no_jobset=True)
    assert job.finish() == code, job.out.getvalue()
    assert any(line.startswith(f"launch | {told}") for line in job.lines), job.lines
    assert (
        "`kubectl delete services,secrets,jobs --selector app.kubernetes.io/instance=mine` removes it" in job.lines[-1]
    )
    assert "secrets/mine" in server.names()


def test_an_evicted_pod(server):
    for role in ALL:
        server.write(f"mine-{role}-0-x", over=True)
    server.put(pod("scheduler", 0, RUNNING))
    server.put(pod("server", 0, RUNNING))
    server.put(pod("worker", 0, None, "Failed", reason="Evicted", message="The node was low on resource: memory. "))
    job = Started(grace_period=0.0)
    assert job.finish() == 1, job.out.getvalue()
    reason = "Evicted: The node was low on resource: memory."
    assert f"launch | w0 (pod mine-worker-0-x) ended with exit code 1: {reason}" in job.lines


def test_an_image_that_is_not_to_be_had(server):
    waiting = {"waiting": {"reason": "ImagePullBackOff", "message": 'Back-off pulling image "x"'}}
    for role in ALL:
        server.put(pod(role, 0, waiting, "Pending"))
    job = Started(start_timeout=0.001)
    assert job.finish() == 1, job.out.getvalue()
    assert (
        'launch | w0 (pod mine-worker-0-x) has never begun: ImagePullBackOff: Back-off pulling image "x"' in job.lines
    )


def test_a_pod_for_which_there_is_no_room(server):
    nowhere = {"type": "PodScheduled", "reason": "Unschedulable", "message": "0/3 nodes are available"}
    assert (
        Pod.of(pod("worker", 1, None, "Pending", conditions=[nowhere])).why == "Unschedulable: 0/3 nodes are available"
    )


def test_a_pod_whose_preparation_fails():
    made = Pod.of(
        pod(
            "worker",
            1,
            {"waiting": {"reason": "PodInitializing"}},
            "Failed",
            initContainerStatuses=[{"name": "prepare", "state": ended(2)}],
        )
    )
    assert (made.code, made.started, made.why) == (2, False, "Error")


def test_a_job_that_takes_too_long(server):
    """Kubernetes ends it, and its pods with exit codes of signals."""
    over = {"type": "FailureTarget", "status": "True", "reason": "DeadlineExceeded"}
    labels = {"app.kubernetes.io/instance": "mine"}
    for role in ALL:
        server.put(pod(role, 0, ended(143), "Failed"))
        server.write(f"mine-{role}-0-x", over=True)
        server.put(
            {"kind": "Job", "metadata": {"name": f"mine-{role}-0", "labels": labels}, "status": {"conditions": [over]}}
        )
    job = Started(timeout=90.0)
    assert job.finish() == 124, job.out.getvalue()
    assert "launch | the job has taken longer than --timeout 90" in job.lines


def test_pods_that_somebody_removes(server):
    for role in ALL:
        server.put(pod(role, 0, RUNNING))
        server.write(f"mine-{role}-0-x", over=True)
    job = Started()
    watching(server)
    for role in ALL:
        server.remove("pods", f"mine-{role}-0-x")
    assert job.finish() == 1, job.out.getvalue()
    assert "launch | the pods of ps0, sched, w0 have been removed" in job.lines


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_removes_it(server, launch, number, code):
    settings = ["--kubernetes", "image=x", "--kubernetes", "name=mine"]
    for role in ALL:
        server.put(pod(role, 0, RUNNING))
        server.write(f"mine-{role}-0-x", ("2026-01-01T00:00:00Z", "here"))
    job = launch(argv=[sys.executable, "-m", "pushgrad.launch", "--cluster", "kubernetes", *settings, "train.py"])
    job.wait_for("| here", 3)
    job.send(number)
    assert job.finish() == code, job.text
    assert "mine is deleted" in job.text and not server.names()


def test_a_log_in_that_has_expired(server, way, monkeypatch):
    text = server.configuration.read_text()
    server.configuration.write_text(text.replace("users-token", "old-token"))
    job = Started()
    job.finish()
    assert isinstance(job.error, Refused) and "Log in to the cluster anew" in str(job.error)


def test_nobody_is_there(server, way):
    server.close()
    job = Started()
    job.finish()
    assert isinstance(job.error, Unreachable), job.error


def test_without_any_way(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "kubernetes", None)
    with pytest.raises(
        JobError, match=r"neither the package .* nor kubectl is here. pip install '\.\[kubernetes\]' in a clone"
    ):
        kubernetes_connection.connect()
