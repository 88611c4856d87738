"""The progress bar, looked at on pseudo-terminals."""

import re
import subprocess
import sys

import pytest
from on_a_terminal import run, screens

import pushgrad as mx
from pushgrad.common.errors import ParameterError
from pushgrad.worker.training.fit_callbacks import FitCallbacks
from pushgrad.worker.training.progress_bar import TerminalBar
from pushgrad.worker.training.which_bar import wanted

TRAINS = """
import sys
import numpy as np
import pushgrad as mx
X = np.random.default_rng(0).random((400, 4)).astype(np.float32)
y = (X[:, 0] > 0.5).astype(np.float32)
def says(param):
    if param.nbatch == 2: print("in the midst", param.epoch)
options = dict(hidden_node=4, out_node=2, num_epoch=2, batch_size=100, initializer=mx.init.Uniform(0.5))
options["learning_rate"] = 0.1
for _ in range(2):
    mx.mlp(X, y, eval_data=(X, y), batch_end_callback=says, **options, **eval(sys.argv[1]))
print("the end")
"""
NOTE = "Auto detect layout of input matrix, use rowmajor.."


def logged(devices, number):
    """What a fit of TRAINS logs, as a pattern, with numbers of that form."""
    epochs = [
        rf"in the midst {epoch}\n\[{epoch}\] Train-accuracy={number}\n\[{epoch}\] Validation-accuracy={number}\n"
        for epoch in (1, 2)
    ]
    return f"{re.escape(NOTE)}\nStart training with {devices}\n{''.join(epochs)}"


def bars(written):
    """All the bars that were ever to be seen, each once."""
    return list(dict.fromkeys(line for screen in screens(written) for line in screen if line.startswith("epoch ")))


def test_a_bar_below_the_lines():
    written = run(TRAINS, "{}")
    shown = "\n".join(line.rstrip() for line in screens(written)[-1])
    assert re.fullmatch(2 * logged("1 device", r"[\d.]{1,6}") + "the end\n", shown), shown
    seen = bars(written)
    done = next(bar for bar in seen if bar.startswith("epoch 2/2") and "step 4/4" in bar)
    assert re.search(r" step 4/4 loss=0\.\d+ accuracy=0\.\d+ [\d,]+ samples/s 0:00 left", done), done
    assert any("validating" in bar for bar in seen) and all(len(bar) <= 100 for bar in seen)
    assert written.rfind("\x1b[?25h") > written.rfind("\x1b[?25l"), "the cursor is there at the end"
    # rich draws right after it hides the cursor; a training that is killed must not leave it hidden.
    assert "\x1b[?25h" in written[: written.index("in the midst")]


@pytest.mark.parametrize(("columns", "there", "missing"), [(60, "loss=", "samples/s"), (24, "epoch 2/2", "━")])
def test_a_narrow_terminal_has_less(columns, there, missing):
    written = run(TRAINS, "{}", columns=columns, NO_COLOR="1")
    assert not re.search(r"\x1b\[[\d;]*3\d[\d;]*m", written), "a colour"
    seen = [bar for bar in bars(written) if "4/4" in bar or columns == 24]
    trained = [bar for bar in seen if "validating" not in bar and "compiling" not in bar]
    assert all(len(bar) <= columns for bar in seen) and there in trained[-1] and missing not in trained[-1], seen


def test_r_lines_alone():
    written = run(TRAINS, "dict(verbose='r')")
    lines = re.sub(r"\x1b(7|8\x1b\[K)(\x1b\[\?7l.*?\x1b\[\?7h)?|\x1b\[0m", "", written.replace("\r\n", "\n"))
    assert re.fullmatch(2 * logged("1 devices", r"[\d.]+") + "the end\n", lines), written


@pytest.mark.parametrize(("verbose", "term"), [(False, "xterm"), ("r", "xterm"), (True, "dumb")])
def test_no_bar(monkeypatch, verbose, term):
    monkeypatch.setattr("sys.stdout", type("Terminal", (), {"isatty": lambda self: True})())
    monkeypatch.setenv("TERM", "xterm")
    callbacks, session = FitCallbacks(None, mx.metric.Accuracy(), [], []), type("Session", (), {"num_workers": 1})()
    assert wanted(callbacks, session) is TerminalBar
    assert not wanted(callbacks, type("Session", (), {"num_workers": 2})())
    callbacks.verbose = verbose
    monkeypatch.setenv("TERM", term)
    assert not wanted(callbacks, session)


def test_no_terminal_no_bar():
    done = subprocess.run([sys.executable, "-c", TRAINS, "{}"], capture_output=True, text=True, check=True)
    assert re.fullmatch(2 * logged("1 devices", r"[\d.]+") + "the end\n", done.stdout), done.stdout


ENDS_EARLY = """
import sys
import numpy as np
import pushgrad as mx
class Batches(mx.io.DataIter):  # one that does not say how many batches it has
    def __init__(self):
        super().__init__(10)
        self.provide_data, self.provide_label, self.at = [("data", (10, 3))], [("softmax_label", (10,))], 0
    def reset(self):
        self.at = 0
    def next(self):
        self.at += 1
        if self.at > 5:
            raise StopIteration
        return mx.io.DataBatch([np.ones((10, 3), np.float32)], [np.zeros(10, np.float32)])
def stops(epoch, *rest):
    print("no newline", end="")
    if epoch == 2:
        sys.stderr.write("an error's line\\n")
        sys.exit(0) if sys.argv[1] == "exit" else None
        return False
net = mx.sym.SoftmaxOutput(mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=2), name="softmax")
options = dict(learning_rate=0.1, kvstore="local")
mx.FeedForward.create(net, Batches(), num_epoch=1, verbose=False, **options)  # now all kernels are compiled
mx.FeedForward.create(net, Batches(), num_epoch=9, epoch_end_callback=stops, **options)
print("went on")
"""


@pytest.mark.parametrize("way", ["stop", "exit"])
def test_early_ends_leave_the_terminal_as_it_was(way):
    written = run(ENDS_EARLY, way)
    seen, last = bars(written), [line.strip() for line in screens(written)[-1]]
    assert any("step 0/?" in bar for bar in seen) and any("2/9" in bar and "/5" in bar for bar in seen)
    assert not any(line.startswith("epoch ") for line in last) and "an error's line" in last
    assert "".join(last).count("no newline") == 2 and ("went on" in last) == (way == "stop")


def test_a_bar_of_the_users_own_is_enough(monkeypatch):
    monkeypatch.setattr("sys.stdout", type("Terminal", (), {"isatty": lambda self: True})())
    monkeypatch.setenv("TERM", "xterm")
    own = FitCallbacks(None, mx.metric.Accuracy(), [], [mx.callback.ProgressBar(4)])
    assert not wanted(own, type("Session", (), {"num_workers": 1})())


def test_verbose_is_checked():
    net = mx.sym.SoftmaxOutput(mx.sym.Variable("data"))
    with pytest.raises(ParameterError, match="verbose: expected True, False or \"r\", got 'R'"):
        mx.FeedForward(net).fit([[1.0, 2.0]], [0.0], verbose="R")
