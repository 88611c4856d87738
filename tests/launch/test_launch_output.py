"""What the processes write: prefixes, log files, and output that is not text."""

import os
import select
import signal
import subprocess
import sys
import threading
from pathlib import Path

from pushgrad.launch.display import FileWriter, PlainDisplay
from pushgrad.launch.lines import PIECE, LineBuffer, shown
from pushgrad.launch.output import Output

# Runs a command and tells the largest resident size of it and its children.
MEASURED = """
import resource, subprocess, sys
code = subprocess.call(sys.argv[1:])
print("peak", resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)
sys.exit(code)
"""


class Sink:
    """Collects what a display writes."""

    def __init__(self):
        self.data = bytearray()

    def write(self, data):
        self.data += data


def test_lines_come_whole():
    buffer = LineBuffer()
    assert buffer.feed(b"one\ntw") == [b"one\n"]
    assert buffer.feed(b"o\r") == []
    assert buffer.feed(b"\nthree") == [b"two\r\n"]
    assert buffer.finish() == [b"three\n"]
    assert buffer.finish() == []


def test_a_long_line_comes_in_pieces():
    buffer, parts = LineBuffer(), []
    for _ in range(10):
        parts += buffer.feed(b"x" * PIECE)
        assert len(buffer.rest) < PIECE
    parts += buffer.feed(b"end\n")
    assert b"".join(parts) == b"x" * 10 * PIECE + b"end\n" and len(parts) == 11


def test_shown_lines_move_no_cursor():
    assert shown(b"plain\r\n") == b"plain"
    assert shown(b" 10%\r 20%\r100%\n") == b"100%"
    assert shown(b" 10%\r 20%\r\n") == b" 20%"
    assert shown(b"\x1b[31mred\x1b[0m\x1b[2K\x1b]0;title\x07 \xff\xfe\n") == b"red \xff\xfe"


def test_output_reads_pipes_to_their_ends(tmp_path):
    out, err = Sink(), Sink()
    output = Output(PlainDisplay(out, err), tmp_path)
    pipes = [os.pipe() for _ in range(2)]
    output.attach("w0", *(os.fdopen(read, "rb", buffering=0) for read, _ in pipes))
    os.write(pipes[0][1], b"\xff not utf-8\nno newline at the end")
    os.write(pipes[1][1], b"an error\n")
    for _, write in pipes:
        os.close(write)
    output.say("said")
    output.close()
    assert bytes(out.data) == b"w0 | \xff not utf-8\nw0 | no newline at the end\n"
    assert sorted(bytes(err.data).splitlines()) == [b"launch | said", b"w0 | an error"]
    assert output.tail("w0", True) == ["an error"] and output.tail("ps0", True) == []
    logged = (tmp_path / "w0.log").read_bytes()
    assert sorted(logged.splitlines()) == [b"an error", b"no newline at the end", b"\xff not utf-8"]


def test_a_display_that_breaks_does_not_stop_the_output(tmp_path, capfd):
    class Broken(PlainDisplay):
        def lines(self, name, is_error, lines):
            raise ValueError("no colours left")

    output = Output(Broken(), tmp_path)
    read, write = os.pipe()
    other, closed = os.pipe()
    os.close(closed)
    output.attach("w0", os.fdopen(read, "rb", buffering=0), os.fdopen(other, "rb", buffering=0))
    os.write(write, b"one\n")
    os.close(write)
    output.close()
    assert "the display failed (ValueError: no colours left)" in capfd.readouterr().err
    assert (tmp_path / "w0.log").read_text() == "one\n"


def test_a_full_disk_costs_the_log_only(tmp_path):
    (tmp_path / "w0.log").symlink_to("/dev/full")
    out, err = Sink(), Sink()
    output = Output(PlainDisplay(out, err), tmp_path)
    read, write = os.pipe()
    other, closed = os.pipe()
    os.close(closed)
    output.attach("w0", os.fdopen(read, "rb", buffering=0), os.fdopen(other, "rb", buffering=0))
    os.write(write, b"shown all the same\n")
    os.close(write)
    output.close()
    assert bytes(out.data) == b"w0 | shown all the same\n"
    assert b"w0.log is incomplete: No space left on device" in bytes(err.data)


def test_a_writer_gives_a_closed_stream_up():
    read, write = os.pipe()
    os.close(read)
    writer = FileWriter(write)
    writer.write(b"into nothing")
    os.close(write)
    writer.write(b"not even an error")


def test_a_writer_waits_for_a_non_blocking_stream():
    read, write = os.pipe()
    os.set_blocking(write, False)
    data = bytes(range(256)) * 4096
    thread = threading.Thread(target=FileWriter(write).write, args=(data,))
    thread.start()
    got = bytearray()
    while len(got) < len(data):
        got += os.read(read, 65536)
    thread.join()
    os.close(read)
    os.close(write)
    assert got == data


def test_a_hundred_megabytes_without_newline(launch, script):
    name = script(
        """
        import sys
        piece = b"x" * 1000000
        for _ in range(100):
            sys.stdout.buffer.write(piece)
        """
    )
    command = [sys.executable, str(Path(__file__).with_name("with_fakes.py")), "--log-dir", "logs", name]
    job = launch(argv=[sys.executable, "-c", MEASURED, *command], stdout=subprocess.DEVNULL)
    assert job.finish() == 0, job.text
    log = os.path.join(job.errors[0].split("logs in ")[1], "w0.log")
    assert os.path.getsize(log) in (100_000_000, 100_000_001)  # a newline at the end
    assert int(job.errors[-1].removeprefix("peak ")) < 100_000  # kilobytes


def test_random_bytes_and_no_colour(launch, script):
    name = script(
        """
        import os, sys
        sys.stdout.buffer.write(bytes(range(256)) * 100 + b"\\n\\x1b[32mgreen\\x1b[0m\\n")
        """
    )
    job = launch(name)
    assert job.finish() == 0, job.text
    assert b"\x1b" not in job.err and b"\r" not in job.out and b"w0 | green\n" in job.out


def test_a_closed_standard_output_does_not_stop_the_job(launch, script):
    name = script(
        """
        import fake_job
        fake_job.join()
        for number in range(200000):
            print("line", number)
        fake_job.leave()
        """
    )
    read, write = os.pipe()
    job = launch("--log-dir", "logs", name, stdout=write)
    os.close(write)
    assert os.read(read, 10).startswith(b"w0 | line")
    os.close(read)
    assert job.finish() == 0, job.text
    log = os.path.join(job.errors[0].split("logs in ")[1], "w0.log")
    assert subprocess.check_output(["tail", "-n", "1", log]) == b"line 199999\n"


def test_a_blocked_standard_output_does_not_block_ctrl_c(launch, script, left_behind):
    read, write = os.pipe()
    name = script(
        """
        import fake_job, sys
        fake_job.join()
        print("ready", file=sys.stderr, flush=True)
        while True:
            print("x" * 1000)
        """
    )
    job = launch(name, stdout=write)
    os.close(write)
    job.wait_for("| ready")
    job.send(signal.SIGINT)
    while not select.select([read], [], [], 0)[0]:
        pass
    assert _ends_after_draining(job, read) == 130
    assert left_behind(job.job_id) == []


def _ends_after_draining(job, read):
    while os.read(read, 1 << 20):
        pass
    os.close(read)
    return job.finish()
