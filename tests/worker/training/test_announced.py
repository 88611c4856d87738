"""Who hears the signals that announce the end of a job."""

import os
import signal

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
