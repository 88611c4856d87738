"""The live view, on a pseudo-terminal and without one."""

import fcntl
import io
import os
import re
import signal
import struct
import subprocess
import termios
import threading

import pytest
from on_a_terminal import screens
from rich.console import Console

from pushgrad.launch.display import PROGRESS_PERIOD, PlainDisplay, Row, TextWriter, View, progress_line
from pushgrad.launch.progress import table
from pushgrad.launch.state import Member

VIEW = View(
    [Row("w0", "training", 3, 1200, 5310.4, "accuracy=0.93"), Row("ps0", "joined")], 42.0, "barrier waits for worker 1"
)


class Terminal:
    """A pseudo-terminal of 100 columns and 40 rows whose output is collected."""

    def __init__(self):
        self._master, self.end = os.openpty()
        fcntl.ioctl(self.end, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
        self.data = bytearray()
        self._news = threading.Condition()
        self._thread = threading.Thread(target=self._collect, daemon=True)
        self._thread.start()

    def _collect(self):
        while True:
            try:
                data = os.read(self._master, 65536)
            except OSError:  # the other end is closed
                return
            with self._news:
                self.data += data
                self._news.notify_all()

    def wait_for(self, text):
        with self._news:
            assert self._news.wait_for(lambda: text in self.data, 30), bytes(self.data)

    def finish(self):
        os.close(self.end)
        self._thread.join(30)
        os.close(self._master)
        return bytes(self.data)


def test_table():
    console = Console(width=100, file=open(os.devnull, "w"), record=True)  # noqa: SIM115
    console.print(table(VIEW, console.width))
    text = console.export_text()
    console.file.close()
    row = next(line for line in text.splitlines() if "w0" in line)
    assert row.split() == ["w0", "training", "3", "1200", "5,310", "accuracy=0.93"]
    assert "42 s   barrier waits for worker 1" in text


@pytest.mark.parametrize(
    "width, shown", [(100, "epoch step samples/s lag in/s out/s"), (64, "epoch step samples/s"), (40, ""), (28, None)]
)
def test_a_narrow_table_has_fewer_columns(width, shown):
    row = Row("w0", "training", 3, 1200, 5310.0, "accuracy=0.93", lag=1, received=1e6, sent=2e6)
    console = Console(width=width, file=io.StringIO())
    console.print(table(View([row], 42.4), width))
    lines = console.file.getvalue().splitlines()
    headings = ["process", "state"] if shown is None else ["process", "state", *shown.split(), "metric"]
    assert lines[1].split() == headings and "…" not in "".join(lines) and max(map(len, lines)) <= width


def test_metrics_are_shown_whole():
    console = Console(width=50, file=io.StringIO())
    row = Row("w0", "training", 3, 1200, 5310.0, "accuracy=0.93 Validation-accuracy=0.9")
    console.print(table(View([row], 42.4), 50))
    assert "accuracy=0.93" in console.file.getvalue() and "Validation" not in console.file.getvalue()


def test_totals_and_a_bar():
    rows = [Row("sched", "listening"), Row("w0", "training", 3, 300, epochs=4, steps=600, seconds_left=65.0)]
    console = Console(width=100, file=io.StringIO())
    console.print(table(View(rows, 42.4, "barrier waits for worker 1"), console.width))
    text = console.file.getvalue()
    assert "3/4" in text and "300/600" in text and "listening" in text
    # 2.5 of 4 epochs are 62.5 %, which Python rounds to the even 62; of 40 characters they are 25.
    assert f"42 s  {'━' * 40} 62%  1:05 left   barrier waits" in text
    console = Console(width=30, file=io.StringIO())
    console.print(table(View(rows, 42.4), console.width))
    assert "42 s" in console.file.getvalue() and "1:05 left" in console.file.getvalue()


def test_the_share_of_a_training():
    assert Row("w0", "training", 2, 5, epochs=2, steps=10).share == 0.75
    assert Row("w0", "training", 2, 5, epochs=4).share == 0.25, "of an epoch whose steps nobody has counted"
    assert Row("w0", "training", 1, 5, epochs=4).share is None and Row("w0", "training", 1, 5).share is None


def test_states_of_those_that_serve():
    spec = type("Spec", (), {"name": "x", "role": "server"})()
    assert Member(spec, pid=1).state == "starting" and Member(spec, pid=1, joined=True).state == "serving"
    spec.role = "scheduler"
    assert Member(spec, pid=1, joined=True).state == "listening" and Member(spec, pid=1, code=0).state == "done"


def test_a_row_from_junk():
    member = Member(spec=type("Spec", (), {"name": "w0"}), pid=1, progress={"epoch": "x", "step": [], "metric": None})
    assert Row.of(member) == Row("w0", "training")


def test_progress_line():
    assert progress_line(VIEW.rows[0], 42.4) == "42 s: w0 epoch 3, step 1200, 5310 samples/s, accuracy=0.93"
    assert progress_line(Row("w1", "training", 1), 0.0) == "0 s: w1 epoch 1"
    row = Row("w0", "training", 3, 12, 531.0, "accuracy=0.9", epochs=9, steps=60, seconds_left=3665.0)
    assert progress_line(row, 42.0) == ("42 s: w0 epoch 3/9, step 12/60, 531 samples/s, accuracy=0.9, 1:01:05 left")


def test_plain_progress_comes_now_and_then(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr("pushgrad.launch.display.time.monotonic", lambda: clock[0])
    out, err = io.StringIO(), io.StringIO()
    display = PlainDisplay(TextWriter(out), TextWriter(err))
    for clock[0] in (1.0, PROGRESS_PERIOD, PROGRESS_PERIOD + 1, 2 * PROGRESS_PERIOD):
        display.show(VIEW)
    assert err.getvalue().count("launch | 42 s: w0 epoch 3") == 2 and out.getvalue() == ""


TRAINS = """
import fake_job, os, signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
fake_job.join(); fake_job.wait_for_all()
fake_job.tell("progress", fit=1, epoch=7, step=321, samples_per_second=1234.5, metric="accuracy=0.875", epochs=8)
print("a line from rank", os.environ["RANK"])
print(" 10%\\r 20%\\r\\x1b[31m30%\\x1b[0m")
sys.stdout.buffer.write(b"\\xff\\n"); sys.stdout.flush()
if os.environ["RANK"] == "1":
    signal.sigwait({signal.SIGUSR1})
    sys.exit("ends badly")
signal.pause()
"""


def test_live_view_on_a_terminal(launch, script):
    terminal = Terminal()
    streams = {"stdout": terminal.end, "stderr": terminal.end}
    job = launch("--workers", 2, "--verbose", script(TRAINS), env={"TERM": "xterm"}, **streams)
    terminal.wait_for(b"accuracy=0.875")
    os.kill(int(re.search(rb"w1 is pid (\d+)", terminal.data)[1]), signal.SIGUSR1)
    code = job.finish()
    text = terminal.finish()
    assert code == 1, text
    assert (b"321" in text and b"1,234" in text) or b"1,235" in text
    assert text.count(b"a line from rank") == 2 and b"ends badly" in text
    assert b"\x1b[31m30%" not in text and b" 10%" not in text
    assert re.search(rb"sched.{,20}listening", text), text
    last = "\n".join(screens(text.decode("utf-8", "replace"))[-1])
    assert re.search(r"w0 +training +7/8 +321|w0 +\S+ +7/8 +321", last), f"the last table has not stayed: {last}"
    assert b"log: /" in text.splitlines()[-1]


def test_standard_output_in_a_file_stays_plain(launch, script, tmp_path):
    terminal = Terminal()
    name = script("import fake_job; fake_job.join(); print('to the file'); fake_job.leave()")
    with open(tmp_path / "out", "wb") as file:
        job = launch(name, stdout=file, stderr=terminal.end, env={"TERM": "xterm"})
        code = job.finish()
    text = terminal.finish()
    assert code == 0, text
    assert (tmp_path / "out").read_bytes() == b"w0 | to the file\n"
    assert b"to the file" not in text and b"\x1b[" in text


def test_a_dumb_terminal_gets_plain_lines(launch, script):
    terminal = Terminal()
    job = launch(script("print('hello')"), stdout=subprocess.PIPE, stderr=terminal.end, env={"TERM": "dumb"})
    code = job.finish()
    text = terminal.finish()
    assert code == 0 and b"\x1b" not in text and job.lines == ["w0 | hello"]
