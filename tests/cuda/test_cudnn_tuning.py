"""The choice among cuDNN's engines by timing; what is timed here are no engines."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from pushgrad.common.errors import ParameterError
from pushgrad.worker.cuda import cudnn as wrapper
from pushgrad.worker.cuda import cudnn_tuning
from pushgrad.worker.cuda.cudnn_convolution import Convolution as Wanted
from pushgrad.worker.cuda.cudnn_tuning import Choice, Trial, fastest, tuning
from pushgrad.worker.cuda.scratch_memory import Arena, Claim
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
    return fastest(device, Trial(graph, ["a", "b", "c"], [8, 0, 100], "handle"), limit, (RuntimeError, Refused))


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
    assert graph.ran == [(0, "handle")] * 6 + [(1, "handle")] * 6  # once as it is, then in a graph


def test_trials_leave_no_memory_behind(device, seconds):
    seconds(0.1)
    before = device.used_bytes()
    choose(device, Graph([0]))
    assert device.used_bytes() == before


def test_scratch_memory_leaves_room_for_others(device, seconds, monkeypatch):
    seconds(0.1, 0.2)
    monkeypatch.setattr(device, "free_bytes", lambda: 400)
    assert choose(device, Graph([101, 100]), limit=1 << 62) == Choice(1, 100)


def test_a_plan_that_cannot_be_captured(device):
    class Waiting(Graph):
        def execute_plan_at_index(self, pointers, workspace, index, handle=None):
            super().execute_plan_at_index(pointers, workspace, index, handle)
            if index == 0:
                device.stream.synchronize()

    assert choose(device, Waiting([0, 8])) == Choice(1, 8)


def test_a_device_that_is_lost_is_no_refusal(device):
    error = device.xp.cuda.runtime.CUDARuntimeError

    class Lost(Graph):
        def execute_plan_at_index(self, pointers, workspace, index, handle=None):
            device.xp.cuda.runtime.setDevice(99)

    with pytest.raises(error):
        choose(device, Lost([0, 8]))


@pytest.fixture
def tuned(device, monkeypatch):
    """What becomes of a finished graph, with plans that take so long; None for one that cannot be had."""

    def run(tune, workspaces, again):
        wanted = Wanted("fprop", (1, 1, 2, 2), (1, 1, 1, 1), (1, 1, 2, 2), (0, 0), (1, 1), (1, 1), tune=tune)
        monkeypatch.setattr(wrapper, "_load", lambda: SimpleNamespace(cudnnGraphNotSupportedError=Refused))
        monkeypatch.setattr(wrapper, "build", lambda wanted, handle: again)
        built = wrapper.Built(Graph(workspaces), ("a", "b", "c"), 7, True)
        return built, wrapper._tuned(device, wanted, built, "handle")

    return run


def test_only_who_asks_gets_another_plan(tuned, seconds):
    seconds(0.2, 0.1)
    built, found = tuned(False, [5, 6], None)
    assert found is built and not built.graph.built
    built, found = tuned(True, [5, 6], None)
    assert (found.graph, found.index, found.workspace, found.deterministic) == (built.graph, 1, 6, True)


def test_a_graph_on_which_all_trials_failed_is_built_anew(tuned):
    assert tuned(True, [None, None], "anew")[1] == "anew"


def test_a_plan_that_was_chosen_is_the_one_that_runs(device):
    graph, wanted = Graph([0, 0]), wrapper.Built(None, ("a", "b", "c"), 0, True, index=1)
    with device.active():
        arrays, claim = [device.empty((4,)) for _ in range(3)], Claim(Arena.of(device, "cudnn"), [0])
        wrapper.Plan(replace(wanted, graph=graph), "handle", claim).run(*arrays)
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
