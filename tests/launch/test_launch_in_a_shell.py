"""`launch` in an interactive shell with job control, on a terminal of its own."""

import os
import pty
import select
import shlex
import signal
import sys
import time
from pathlib import Path

COUNTS = """
import sys, time
number = 0
try:
    while True:
        number += 1
        print("at", number, flush=True)
        time.sleep(0.05)
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


class Shell:
    """A bash on a pseudo-terminal. `until` reads up to a text."""

    def __init__(self, folder, env):
        pid, self.fd = pty.fork()
        if pid == 0:
            os.chdir(folder)
            for signum in (signal.SIGINT, signal.SIGQUIT):  # ignored if the tests run in the background of a shell
                signal.signal(signum, signal.SIG_DFL)
            own = {**os.environ, "PS1": "$ ", "TERM": "xterm", **env}
            os.execvpe("bash", ["bash", "--norc", "--noediting", "-i"], own)
        self.pid, self.text = pid, b""

    def say(self, text):
        os.write(self.fd, text)

    def until(self, text, seconds=30.0):
        end = time.monotonic() + seconds
        while text not in self.text:
            assert select.select([self.fd], [], [], max(0.0, end - time.monotonic()))[0], self.text.decode()
            self.text += os.read(self.fd, 65536)
        before, _, self.text = self.text.partition(text)
        return before

    def close(self):
        os.close(self.fd)
        os.kill(self.pid, 9)
        os.waitpid(self.pid, 0)


def test_ctrl_z_fg_and_ctrl_c_at_a_keyboard(launch, script, scratch, tmp_path):
    argv = [sys.executable, str(Path(__file__).with_name("with_fakes.py")), script(COUNTS)]
    shell = Shell(tmp_path, {"TMPDIR": str(scratch), "PYTHONPATH": launch.path})
    try:
        shell.say(f"{shlex.join(argv)}\n".encode())
        shell.until(b"at 3")
        shell.say(b"\x1a")
        shell.until(b"Stopped")
        shell.say(b"echo still here\n")
        between = shell.until(b"here\r\n$ ")
        assert b"at " not in between
        shell.say(b"fg\n")
        shell.until(b"with_fakes.py")
        shell.until(b"at ")
        shell.say(b"\x03")
        shell.until(b"interrupted")
        shell.until(b"$ ")
        shell.say(b"echo code $?\n")
        shell.until(b"code 130")
    finally:
        shell.close()
