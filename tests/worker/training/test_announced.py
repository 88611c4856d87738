"""Who hears the signals that announce the end of a job."""

import os
import signal
import subprocess
import sys
import textwrap

from pushgrad.common.left_files import DEATH
from pushgrad.worker.store.session import Session
from pushgrad.worker.training.announced import Announced


def test_a_fit_within_a_loop_of_ones_own_hears_signals_until_it_is_over():
    loop, fit = Announced(Session()), Announced(Session())
    loop.begin()
    try:
        fit.begin()
        os.kill(os.getpid(), signal.SIGUSR1)
        assert (loop.snapshot, fit.snapshot) == (False, True)
        fit.close(list)
        os.kill(os.getpid(), signal.SIGUSR1)
        assert loop.snapshot
    finally:
        loop.close(list)
    assert signal.getsignal(signal.SIGUSR1) is signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_after_a_death_the_process_does_not_go_on_for_long(tmp_path):
    """Without `launch`'s word it would go on for as long as its step takes: here for ever, as the dead may owe it."""
    waits = """
        import os, signal, threading
        from pushgrad.worker.store.session import Session
        from pushgrad.worker.training import announced
        announced.PATIENCE = 0.01
        announced.Announced(Session()).begin()
        os.kill(os.getpid(), signal.SIGTERM)
        threading.Event().wait()
        """
    (tmp_path / DEATH).touch()
    env = {**os.environ, "PUSHGRAD_JOB_DIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(waits)], env=env, timeout=60, check=False)
    assert done.returncode == -signal.SIGTERM
