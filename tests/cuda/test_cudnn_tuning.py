"""The choice among cuDNN's engines by timing; what is timed here are no engines."""

import pytest

from pushgrad.common.errors import ParameterError
from pushgrad.worker.cuda import cudnn as wrapper
from pushgrad.worker.cuda import cudnn_tuning
from pushgrad.worker.cuda.cudnn_convolution import Convolution as Wanted
from pushgrad.worker.cuda.cudnn_tuning import Choice, fastest, tuning
from pushgrad.worker.ops.convolution import Convolution


class Refused(Exception):
    """What cuDNN raises that is no RuntimeError."""


class Graph:
    """Plans with an amount of scratch memory each; None for one that cannot be built."""

    def __init__(self, workspaces):
        self.workspaces, self.built, self.ran = workspaces, [], []

    def get_execution_plan_count(self):
        return len(self.workspaces)

    def build_plan_at_index(self, index):
        if self.workspaces[index] is None:
            raise Refused
        self.built.append(index)

    def get_workspace_size_plan_at_index(self, index):
        return self.workspaces[index]

    def execute_plan_at_index(self, pointers, workspace, index, handle=None):
        assert all(address % 16 == 0 for address in (*pointers.values(), workspace))
        self.ran.append((index, handle))


def choose(device, graph, limit=1000):
    with device.active():
        return fastest(device, graph, ["a", "b", "c"], [8, 0, 100], "handle", limit, (RuntimeError, Refused))


@pytest.fixture
def seconds(monkeypatch):
    """Sets how long each plan takes."""

    def set_to(*times):
        monkeypatch.setattr(cudnn_tuning, "_seconds", lambda *given: times[given[-1].index])

    return set_to


def test_the_fastest_of_those_that_can_be_had(device, seconds):
    seconds(0.3, 0.1, 0.2, 0.15, 0.2)
    assert choose(device, Graph([0, None, 10, 2000, 20])) == Choice(2, 10)


def test_of_equals_the_one_that_cudnn_ranks_higher(device, seconds):
    seconds(0.2, 0.1, 0.1)
    assert choose(device, Graph([0, 30, 10])) == Choice(1, 30)


def test_only_the_first_are_tried(device, seconds):
    seconds(*range(20, 0, -1))
    graph = Graph([None] * 5 + [0] * 15)
    assert choose(device, graph).index == 12 and graph.built == list(range(5, 13))


def test_none_can_be_had(device, seconds):
    seconds(0.1, 0.1)
    assert choose(device, Graph([None, 5000])) is None


def test_each_runs_several_times_on_aligned_memory(device):
    graph = Graph([0, 64])
    assert choose(device, graph) in (Choice(0, 0), Choice(1, 64))
    assert graph.ran == [(0, "handle")] * 4 + [(1, "handle")] * 4


def test_a_plan_that_was_chosen_is_the_one_that_runs(device):
    graph, wanted = Graph([0, 0]), wrapper.Built(None, ("a", "b", "c"), 0, True, index=1)
    with device.active():
        arrays, claim = [device.empty((4,)) for _ in range(3)], wrapper.Claim(wrapper.Arena.of(device, "cudnn"), [0])
        wrapper.Plan(wrapper.replace(wanted, graph=graph), "handle", claim).run(*arrays)
    assert graph.ran == [(1, "handle")]


def test_bytes_of_operands():
    wanted = Wanted("dgrad", (2, 3, 4, 4), (5, 3, 1, 1), (2, 5, 4, 4), (0, 0), (1, 1), (1, 1), "float16")
    assert wanted.sizes() == [320, 30, 192]


@pytest.mark.parametrize(
    ("given", "means"), [(None, "off"), ("0", "off"), ("1", "limited_workspace"), ("2", "fastest")]
)
def test_who_asks(monkeypatch, given, means):
    if given is not None:
        monkeypatch.setenv("MXNET_CUDNN_AUTOTUNE_DEFAULT", given)
    assert tuning(Convolution(kernel=(1, 1), num_filter=1)) == means
    assert tuning(Convolution(kernel=(1, 1), num_filter=1, cudnn_tune="limited_workspace")) == "limited_workspace"


def test_who_asks_for_something_else(monkeypatch):
    monkeypatch.setenv("MXNET_CUDNN_AUTOTUNE_DEFAULT", "yes")
    with pytest.raises(ParameterError, match=r"MXNET_CUDNN_AUTOTUNE_DEFAULT: expected 0 \(off\), 1 .* got 'yes'"):
        tuning(Convolution(kernel=(1, 1), num_filter=1))
