"""The page about a run: what is served, to whom, and what a browser shows of it."""

import http.client
import json
import re
import shutil
from itertools import pairwise
from urllib.parse import urlsplit

import pytest

from pushgrad.common.errors import JobError
from pushgrad.launch.runs.curves import MOST, Curve, Plots
from pushgrad.launch.runs.dashboard import Dashboard, serving
from pushgrad.launch.runs.story import Story
from pushgrad.launch.state import Cause

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="1000" height="40"><script>alert(1)</script><rect/></svg>'
STEP = {"event": "progress", "fit": 0, "epoch": 1, "samples_per_second": 1234.5}


def ask(url, path="", method="GET", **headers):
    """Status, headers and body of what is at `path` below `url`; a path that begins with / takes its place."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=30)
    try:
        connection.request(method, path if path.startswith("/") else parts.path + path, headers=headers)
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        connection.close()


@pytest.fixture
def trained(make_run):
    made = make_run()
    made.start()
    for rank in (0, 1):
        made.record.said({**STEP, "rank": rank, "step": 30 - 10 * rank, "metric": "accuracy=0.5"})
    return made


def test_what_is_served(trained):
    with serving(trained.folder) as url:
        status, headers, page = ask(url)
        assert status == 200 and b"<title>pushgrad</title>" in page
        assert headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert not re.search(rb"""(src|href)="?(https?:)?//""", page), "nothing from elsewhere: it works offline"
        said = json.loads(ask(url, "data")[2])
        assert (said["state"], said["script"], len(said["rows"])) == ("running", "train.py --lr 0.1", 4)
        values = {
            title: {name: [y for _, y in curve] for name, curve in some.items()}
            for title, some in said["plots"].items()
        }
        assert values == {
            "accuracy": {"w0": [0.5], "w1": [0.5]},
            "samples/s": {"w0": [1234.5], "w1": [1234.5]},
            "lag in steps": {"w1": [10]},
        }
        assert ask(url, "", "HEAD")[2] == b""
        trained.record.end(Cause(143, "ended by SIGTERM"), 3.0)
        assert json.loads(ask(url, "data")[2])["state"] == "stopped", "it is what the files say now"


def test_metrics_are_served(trained):
    pytest.importorskip("prometheus_client", reason="needs prometheus-client")
    with serving(trained.folder) as url:
        _, headers, text = ask(url, "metrics?x=1")
        assert headers["Content-Type"].startswith("text/plain; version=0.0.4")
        assert b'pushgrad_step{process="w1"} 20.0\n' in text


def test_validation_beside_training(trained):
    for step, (train, validation) in enumerate([(0.6, 0.4), (0.7, 0.4), (0.8, 0.45)]):
        for rank in (0, 1):
            trained.record._next.clear()  # all of it is written
            text = f"accuracy={train} Validation-accuracy={validation} Validation-rmse=2"
            trained.record.said({**STEP, "rank": rank, "step": 40 + step, "metric": text})
    story = Story(trained.run)
    story.update()
    plots = {
        title: {name: [y for _, y in curve] for name, curve in some.items()}
        for title, some in story.plots.shown(1).items()
    }
    assert plots["accuracy"] == {"validation": [0.4, 0.45], "w0": [0.5, 0.6, 0.7, 0.8]}
    assert plots["rmse"] == {"validation": [2.0]}
    assert list(plots) == ["accuracy", "rmse", "samples/s", "lag in steps"], "learning curves first"


def test_the_network(trained):
    with serving(trained.folder) as url:
        assert ask(url, "network.svg")[0] == 404 and json.loads(ask(url, "data")[2])["network"] is None
        (trained.folder / "network.svg").write_bytes(SVG)
        status, headers, picture = ask(url, "network.svg?1")
        assert (status, headers["Content-Type"], picture) == (200, "image/svg+xml", SVG)
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy and "script-src" not in policy and policy.endswith("sandbox")
        assert json.loads(ask(url, "data")[2])["network"] > 0


def test_who_gets_nothing(trained):
    with serving(trained.folder) as url:
        port, token = urlsplit(url).port, urlsplit(url).path.strip("/")
        below = ("", "/../run.json", "/run.json", "/%2e%2e/run.json", "//etc/passwd", "/%E9", "/data/")
        for path in ("/", "/data", "/x/data", "//data", *(f"/{token}{rest}" for rest in below)):
            assert ask(url, path)[::2] == (404, b"Not found\n"), path
        assert ask(url, Host=f"evil.example:{port}")[0] == 404, "a name that was made to lead here"
        assert ask(url, Host=f"localhost:{port}")[0] == 200
        assert ask(url, method="POST")[0] == 501


def test_it_listens_on_loopback_only(trained, tmp_path):
    with Dashboard(trained.folder) as first, Dashboard(trained.folder) as second:
        assert first.server_address[0] == "127.0.0.1"
        assert first.token != second.token and len(first.token) >= 22
        with pytest.raises(JobError, match=f"no dashboard on port {first.server_port}: Address already in use"):
            Dashboard(trained.folder, first.server_port)
    with pytest.raises(JobError, match="there is no run in"):
        Dashboard(tmp_path)


def test_prometheus_text(make_run):
    pytest.importorskip("prometheus_client", reason="needs prometheus-client")
    from pushgrad.launch.runs.prometheus import exposition

    made = make_run("20260101-120000-1a2b3c")
    made.record.said({"event": "traffic", "role": "server", "rank": 0, "received": [1, 2], "sent": [3, 4]})
    made.record.said({**STEP, "rank": 0, "step": 3, "metric": "accuracy=0.5"})
    made.record.end(None, 12.5)
    story = Story(made.run)
    story.update()
    lines = exposition(story).decode().splitlines()
    assert [line for line in lines if not line.startswith("#")] == [
        *(f'pushgrad_state{{state="{name}"}} {float(name == "done")}' for name in (
            "running", "done", "failed", "stopped", "lost", "unknown"
        )),
        "pushgrad_seconds 12.5",
        'pushgrad_epoch{process="w0"} 1.0',
        'pushgrad_step{process="w0"} 3.0',
        'pushgrad_samples_per_second{process="w0"} 1234.5',
        'pushgrad_metric{metric="accuracy",process="w0"} 0.5',
    ]  # fmt: skip
    assert lines[0] == "# HELP pushgrad_state 1 for the state of the run."
    assert lines[1] == "# TYPE pushgrad_state gauge"


def test_curves_stay_short_and_end_with_the_last_report():
    curve = Curve()
    for second in range(100_000):
        curve.add(float(second), 1.0)
    shown = curve.points
    assert MOST / 2 <= len(shown) <= MOST + 1
    assert shown[0][0] == 0.0 and shown[-1][0] == 99_999.0
    assert len({round(b[0] - a[0]) for a, b in pairwise(shown[:-1])}) == 1, "evenly spread"


def test_launch_serves_it_while_the_job_runs(launch, script):
    job = launch(
        "--dashboard",
        script(
            """
            import fake_job, signal, sys
            signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
            fake_job.join()
            fake_job.tell("progress", fit=0, epoch=1, step=5, samples_per_second=10.0, metric="accuracy=0.25")
            print("ready", flush=True); signal.pause()
            """
        ),
    )
    job.wait_for("| ready")
    url = re.search(r"launch \| dashboard: (\S+)", job.text)[1]
    said = json.loads(ask(url, "data")[2])
    assert (said["id"], said["rows"][-1]["step"]) == (job.job_id, 5)
    job.process.terminate()
    assert job.finish() == 143
    with pytest.raises(ConnectionRefusedError):
        ask(url)


def test_a_plot_shows_a_few_processes_by_rank():
    plots = Plots()
    for rank in (10, 2, 0, 1):
        plots.add("lag", f"w{rank}", 1.0, float(rank))
    assert plots.shown(3) == {"lag": {f"w{rank}": [(1.0, float(rank))] for rank in (0, 1, 2)}}


@pytest.mark.browser
def test_the_page_in_a_browser(trained):
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    if CHROMIUM is None:
        pytest.skip("needs Chromium")
    nasty = "<img src=x onerror=document.title='hacked'>"
    trained.record.note("waiting", text=nasty)
    with serving(trained.folder) as url, playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page()
        asked, wrong = [], []
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
        page.goto(url)
        page.get_by_role("cell", name="w1", exact=True).first.wait_for()
        assert page.locator("#state").text_content() == "running"
        assert page.locator("figcaption").all_text_contents() == [*("accuracyw0w1", "samples/sw0w1", "lag in stepsw1")]
        assert page.locator("polyline").count() == 5, "one for each worker in each plot"
        assert page.locator("#waiting").text_content() == nasty and page.locator("img").count() == 0
        assert page.locator("#drawn").is_hidden()
        (trained.folder / "network.svg").write_bytes(SVG)
        picture = page.get_by_alt_text("the network")
        picture.wait_for()
        assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") == 1000
        page.set_viewport_size({"width": 360, "height": 700})
        page.locator("svg[viewBox^='0 0 328 ']").first.wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") == 360, "only parts of it are scrolled"
        row = page.locator("#rows tr").nth(3)
        assert row.locator("td").all_text_contents() == [
            "w1",
            "training",
            "1",
            "20",
            "10",
            "1,235",
            "",
            "",
            "accuracy=0.5",
        ]
        trained.record.end(Cause(3, "exited with code 3"), 2.0)
        page.locator("#state.failed").wait_for()
        assert "failed with code 3 after 2.0 s: exited with code 3" in page.locator("#about").text_content()
        assert all(request.startswith((url, "data:")) for request in asked)
        assert wrong == []
        browser.close()
