"""Progress bars, prompts, and places where nothing can be written."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest


def log_of(job, name="w0"):
    job.wait_for("logs in ")
    return Path(job.errors[0].split("logs in ")[1]) / f"{name}.log"


def within(seconds, condition):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    return condition()


WAITS = """
import signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
sys.stdout.write("Continue? "); sys.stdout.flush()
signal.sigwait({signal.SIGTERM})
print("yes")
"""


def test_a_prompt_is_in_the_log_at_once_and_on_the_terminal_soon(launch, script):
    job = launch("--log-dir", "logs", script(WAITS))
    assert within(30, lambda: log_of(job).exists() and log_of(job).read_bytes() == b"Continue? ")
    job.wait_for("w0 | Continue?")
    job.send(signal.SIGTERM)
    assert job.finish() == 143
    assert log_of(job).read_bytes() == b"Continue? yes\n"
    assert job.lines == ["w0 | Continue? ", "w0 | Continue? yes"]


BAR = """
import signal, sys, time
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
for percent in range(0, 60, 10):
    sys.stderr.write(f"\\r{percent:3d}%|####"); sys.stderr.flush()
print("a line of the other stream", flush=True)
signal.sigwait({signal.SIGTERM})
sys.stderr.write("\\r100%|####\\n")
"""


def test_a_progress_bar_shows_its_last_state_now_and_then(launch, script):
    job = launch("--log-dir", "logs", script(BAR))
    job.wait_for("w0 |  50%|####")
    job.send(signal.SIGTERM)
    assert job.finish() == 143
    said = [line for line in job.errors if line.startswith("w0")]
    assert said == ["w0 |  50%|####", "w0 | 100%|####"] and b"\r" not in job.err
    bar = b"".join(b"\r%3d%%|####" % percent for percent in range(0, 60, 10))
    log = log_of(job).read_bytes()
    assert log in (
        bar + b"a line of the other stream\n\r100%|####\n",
        b"a line of the other stream\n" + bar + b"\r100%|####\n",
    )


def test_a_bar_that_never_ends_takes_no_memory_and_is_not_cut(launch, script):
    name = script(
        """
        import sys
        for number in range(100_000):
            sys.stdout.write(f"\\r{number:6d} of 100000")
        print()
        """
    )
    job = launch(name)
    assert job.finish() == 0, job.text
    assert job.lines[-1] == "w0 |  99999 of 100000"
    assert all(line.startswith("w0 | ") and line.endswith(" of 100000") for line in job.lines), job.lines


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_full_disk_behind_the_output_loses_no_exit_code_and_is_said(launch, script, stream):
    name = script("import sys; print('to output'); print('to errors', file=sys.stderr); sys.exit(7)")
    with open("/dev/full", "wb") as full:
        job = launch("--log-dir", "logs", name, **{stream: full})
        assert job.finish() == 7
    other = {"stdout": "error", "stderr": "output"}[stream]
    assert f"standard {'output' if stream == 'stdout' else 'error'} is given up: No space left" in job.text, other


def test_both_streams_full(launch, script):
    with open("/dev/full", "wb") as full:
        job = launch("--log-dir", "logs", script("print('x'); raise SystemExit(7)"), stdout=full, stderr=full)
        assert job.finish() == 7


def test_a_log_on_a_full_disk(launch, script, tmp_path):
    """A real one: a filesystem of 64 KiB."""
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", small], check=True)
    try:
        job = launch(
            "--log-dir",
            "small",
            script("print('x' * 1000 + '\\n', end='', flush=True)\n" * 100 + "raise SystemExit(5)"),
        )
        assert job.finish() == 5, job.text[-2000:]
        assert job.text.count("w0.log is incomplete: No space left on device") == 1
        assert len(job.lines) == 100, "everything was shown"
    finally:
        subprocess.run(["umount", small], check=True)


BROKEN = """
from pushgrad.launch import display
def fails(*arguments):
    raise ValueError("no colours left")
display.PlainDisplay.lines = display.PlainDisplay.say = display.PlainDisplay.show = fails
from pushgrad.launch.cli import main
main()
"""


def test_a_display_that_fails_costs_no_exit_code(launch, script, tmp_path):
    """Every write to the display raises, also that of the plain lines which take over, and of the report."""
    (tmp_path / "broken.py").write_text(BROKEN)
    job = launch(argv=[sys.executable, "broken.py", script("print('x' * 100_000); raise SystemExit(6)")])
    assert job.finish() == 6, job.text


def test_a_terminal_that_goes_away(launch, script):
    """As when a window is closed under nohup."""
    master, end = os.openpty()
    job = launch(
        script("import sys, select; print('on'); select.select([], [], [], 1); sys.exit(4)"),
        stdout=end,
        stderr=end,
        env={"TERM": "xterm"},
        ignored=["HUP"],
    )
    os.close(end)
    assert os.read(master, 10)
    os.close(master)
    assert job.finish() == 4


WORDS = [(["--help"], 1), (["--dry-run", "train.py"], 1), (["absent.py"], 2), (["--x"], 2)]


@pytest.mark.parametrize("arguments, code", WORDS)
def test_words_of_launch_itself_into_a_full_disk(launch, script, arguments, code):
    script("")
    with open("/dev/full", "wb") as full:
        stream = "stdout" if code == 1 else "stderr"
        job = launch(*arguments, real=True, **{stream: full})
        assert job.finish() == code, job.text
    assert "Traceback" not in job.text and ("No space left" in job.text) == (code == 1)


def test_two_ctrl_c_end_launch_although_nobody_reads_its_output(launch, script, left_behind):
    read, write = os.pipe()
    name = script("import sys; print('up', flush=True)\nwhile True: print('x' * 1000)")
    job = launch("--verbose", name, stdout=write, stderr=write)
    os.close(write)
    data = b""
    while b"w0 | up" not in data:
        data += os.read(read, 100)
    pid = int(re.search(rb"w0 is pid (\d+)", data)[1])
    job.send(signal.SIGINT)
    assert within(30, lambda: not Path(f"/proc/{pid}").exists())
    job.send(signal.SIGINT)
    assert job.finish() == 130
    os.close(read)
