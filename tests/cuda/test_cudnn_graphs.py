"""cuDNN's graphs: planned for an H100 without one, and, where there is a GPU, computed and compared."""

import json
import os
import shutil
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from pushgrad.worker.cuda import cudnn as wrapper
from pushgrad.worker.cuda.cudnn_convolution import KINDS
from pushgrad.worker.cuda.kernels.convolution import ConvolutionKernel, DeconvolutionKernel, convolution_kernel
from pushgrad.worker.ops.convolution import Convolution
from pushgrad.worker.ops.deconvolution import Deconvolution
from pushgrad.worker.ops.operator import Step

MODES = ("float32", "tf32", "float16", "bfloat16")
TF32_LAST = "tf32, channels last"  # what is planned, beside the modes, for values that lie so
LAYERS = {
    "lenet, first": ((100, 1, 28, 28), {"kernel": (5, 5), "num_filter": 20}),
    "lenet, second": ((100, 20, 12, 12), {"kernel": (5, 5), "num_filter": 50}),
    "first": ((32, 3, 224, 224), {"kernel": (7, 7), "stride": (2, 2), "pad": (3, 3), "num_filter": 64}),
    "3x3": ((64, 256, 14, 14), {"kernel": (3, 3), "pad": (1, 1), "num_filter": 256}),
    "1x1": ((32, 64, 14, 14), {"kernel": (1, 1), "num_filter": 128}),
    "1x1, every other": ((32, 64, 15, 14), {"kernel": (1, 1), "stride": (2, 2), "num_filter": 128}),
    "strides leave a rest": ((2, 4, 10, 12), {"kernel": (3, 3), "stride": (2, 3), "num_filter": 8}),
    "dilated": ((4, 7, 20, 21), {"kernel": (3, 3), "dilate": (2, 3), "pad": (2, 1), "num_filter": 24}),
    "groups": ((3, 4, 9, 10), {"kernel": (3, 2), "num_filter": 6, "num_group": 2}),
    "depthwise": ((8, 32, 28, 28), {"kernel": (3, 3), "pad": (1, 1), "num_filter": 32, "num_group": 32}),
    "one axis": ((4, 7, 50), {"kernel": (4,), "stride": (3,), "dilate": (2,), "num_filter": 16}),
    "three axes": ((2, 8, 8, 10, 12), {"kernel": (3, 3, 3), "pad": (1, 1, 1), "num_filter": 16}),
    "three axes, groups": (
        (2, 3, 5, 6, 7),
        {"kernel": (2, 3, 1), "stride": (1, 2, 1), "num_filter": 6, "num_group": 3},
    ),
}
H100 = {
    "deviceName": "NVIDIA H100 80GB HBM3", "deviceVer": 900, "driverVer": 13000, "cudaDeviceId": 0, "pciDeviceId": 0,
    "multiProcessorCount": 132, "smCountOrigin": 0, "warpSize": 32, "isTccDriver": 0, "supportCoopLaunch": 1,
    "maxGridSize": [2147483647, 65535, 65535], "maxBlockSize": [1024, 1024, 64], "maxThreadsPerBlock": 1024,
    "maxThreadsPerSM": 2048, "maxCtasPerSM": 32, "regsPerBlock": 65536, "maxRegistersPerSM": 65536,
    "maxSharedMemoryPerBlock": 49152, "maxSharedMemoryPerBlockOptin": 232448, "reservedSharedMemoryPerBlock": 1024,
    "oversizedSharedMemoryPerBlock": 0, "l2CacheSize": 52428800, "totalGlobalMem": 85000000000,
    "smClockRateKHz": 1980000, "memClockRateKHz": 2619000, "memoryBusWidth": 5120,
}  # fmt: skip

# cuDNN wants to load NVIDIA's driver, even where it then calls none of these.
NAMES = ("Init", "GetErrorName", "GetErrorString", "ModuleGetFunction", "ModuleLoadData", "ModuleUnload")
TENSOR_MAPS = ("TensorMapEncodeIm2col", "TensorMapEncodeTiled")
DRIVER = "".join(f"int cu{name}() {{ return 100; }}\n" for name in (*NAMES, *TENSOR_MAPS))

# Plans all layers as ConvolutionKernel does, and tries to run one.
PLANNER = """
import json, sys
from types import SimpleNamespace
import cudnn
from pushgrad.worker.cuda import cudnn as wrapper
from pushgrad.worker.cuda.cudnn_convolution import KINDS
from pushgrad.worker.cuda.kernels.convolution import ConvolutionKernel
from pushgrad.worker.ops.convolution import Convolution

h100, layers = json.load(sys.stdin)
try:
    where = {"device_property": cudnn.create_device_properties(json.dumps(h100)), "sm_version": 90}
except (RuntimeError, TypeError, AttributeError) as error:
    sys.exit(f"no description of a GPU: {error}")

class Device:
    def module(self, name, **macros):
        return None

def usable(graph):
    # how many plans can be built and tell their workspace, as tuning asks
    found = 0
    for index in range(graph.get_execution_plan_count()):
        try:
            graph.build_plan_at_index(index)
            found += graph.get_workspace_size_plan_at_index(index) >= 0
        except (RuntimeError, cudnn.cudnnGraphNotSupportedError):
            pass
    return found

class Planner:
    trying = False

    def plan(self, wanted):
        try:
            self.built = wrapper.build(wanted, **where)
            self.found = {"workspace": self.built.workspace, "deterministic": self.built.deterministic}
            index = getattr(self.built.graph, "_plan_index", None)
            self.found["engine"] = None if index is None else self.built.graph.get_plan_name_at_index(index)
            if self.trying:
                self.found["usable"] = usable(self.built.graph)
        except wrapper.NoPlan as error:
            self.found = {"error": str(error)}

answers = {}
for name, data, options, math in layers:
    planner, op = Planner(), Convolution(**options)
    shapes, outs = op.infer_shape([tuple(data)] + [None] * (len(op.arguments()) - 1), [None])
    channels_last = math.endswith("last") and len(data) == 4
    kernel = ConvolutionKernel(
        Device(), op, shapes, outs, None, math.partition(",")[0], planner, (channels_last, channels_last)
    )
    planner.trying = name == "3x3"
    for kind in KINDS:
        planner.plan(kernel.wanted(kind))
        answers[f"{name}|{math}|{kind}"] = planner.found
array = SimpleNamespace(data=SimpleNamespace(ptr=4096))
try:
    wrapper.Plan(planner.built, None, SimpleNamespace(parts=lambda: [array])).run(array, array, array)
except RuntimeError as error:
    answers["run"] = str(error)
print(json.dumps(answers))
"""


@pytest.fixture(scope="module")
def planned(tmp_path_factory):
    """What cuDNN says to every layer in every mode and direction, by "layer|mode|kind"."""
    if wrapper.available():
        pytest.skip(wrapper.available())
    if not shutil.which("gcc"):
        pytest.skip("gcc is not installed")
    folder = tmp_path_factory.mktemp("driver")
    (folder / "driver.c").write_text(DRIVER)
    command = ["gcc", "-shared", "-fPIC", "-Wl,-soname,libcuda.so.1", "-o", "libcuda.so.1", "driver.c"]
    subprocess.run(command, cwd=folder, check=True)
    env = dict(os.environ, LD_LIBRARY_PATH=f"{folder}:{os.environ.get('LD_LIBRARY_PATH', '')}")
    layers = [(name, data, options, math) for name, (data, options) in LAYERS.items() for math in (*MODES, TF32_LAST)]
    argv = [sys.executable, "-P", "-c", PLANNER]
    done = subprocess.run(argv, env=env, input=json.dumps([H100, layers]), capture_output=True, text=True, timeout=100)
    if "no description of a GPU" in done.stderr:
        pytest.skip(done.stderr[-500:])
    assert not done.returncode, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("math", (*MODES, TF32_LAST))
@pytest.mark.parametrize("layer", LAYERS)
def test_every_layer_has_plans_that_repeat_their_bits(planned, layer, math):
    for kind in KINDS:
        found = planned[f"{layer}|{math}|{kind}"]
        assert "error" not in found and found["deterministic"], (kind, found)
        assert 0 <= found["workspace"] <= 1 << 30


@pytest.mark.parametrize("kind", KINDS)
def test_tensor_cores_are_used_where_they_may_be(planned, kind):
    """Other engines than in float32 are chosen for a layer that suits them."""
    exact, *rounded = (planned[f"3x3|{math}|{kind}"]["engine"] for math in ("float32", "tf32", TF32_LAST))
    assert exact is None or exact not in rounded


@pytest.mark.parametrize("math", (*MODES, TF32_LAST))
@pytest.mark.parametrize("kind", KINDS)
def test_there_is_a_choice_for_tuning(planned, math, kind):
    assert planned[f"3x3|{math}|{kind}"]["usable"] > 1


def test_a_plan_takes_addresses(planned):
    """All that is wrong when it is run is that there is no GPU."""
    assert "handle is NULL" in planned["run"]


def test_strides():
    assert wrapper.strides((2, 3, 4, 5), False) == [60, 20, 5, 1]
    assert wrapper.strides((2, 3, 4, 5), True) == [60, 1, 15, 3]
    assert wrapper.strides((2, 3, 4, 5, 6), True) == [360, 1, 90, 18, 3]


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        (SimpleNamespace(__version__="1.13.0"), "older than 1.14"),
        (SimpleNamespace(__version__="1.28.0", backend_version=lambda: 8907), "8907 is older"),
        (SimpleNamespace(__version__="1.28.0"), "cannot be loaded"),
        (SimpleNamespace(__version__="1.14.0", backend_version=lambda: 90100), None),
        (None, "cannot be imported: No module"),
    ],
)
def test_why_it_cannot_be_used(monkeypatch, module, reason):
    def load():
        if module is None:
            raise ImportError("No module named cudnn")
        return module

    monkeypatch.setattr(wrapper, "_load", load)
    said = wrapper.available.__wrapped__()
    assert said is None if reason is None else reason in said


def test_a_stand_in_for_a_gpu_has_no_cudnn(device):
    with device.active():
        assert wrapper.Cudnn.of(device) is None


def plain(op, inputs, head):
    """Output and gradients in float64."""
    out = np.empty(head.shape)
    grads = [np.empty(array.shape) for array in inputs]
    op.forward(Step(is_train=True), inputs, [out])
    op.backward(Step(is_train=True), [head], inputs, [out], grads)
    return [out, *grads]


def on_gpu(device, kernel, inputs, head, times):
    """The same by the kernel, captured and replayed from the second time on."""
    arrays, heads = [device.xp.asarray(a, np.float32) for a in inputs], [device.xp.asarray(head, np.float32)]
    outs, grads = [device.xp.empty_like(heads[0])], [device.xp.empty_like(array) for array in arrays]

    def run():
        kernel.forward(Step(xp=device.xp, is_train=True), arrays, outs)
        kernel.backward(Step(xp=device.xp, is_train=True), heads, arrays, outs, grads)

    run()
    found = [[array.get() for array in (*outs, *grads)]]
    device.stream.begin_capture()
    run()
    graph = device.stream.end_capture()
    for _ in range(times - 1):
        for array in (*outs, *grads):
            array.fill(np.nan)
        graph.launch(device.stream)
        found.append([array.get() for array in (*outs, *grads)])
    return found


def compare(device, maker, op, data, math):
    rng = np.random.default_rng(0)
    shapes, outs = op.infer_shape([data] + [None] * (len(op.arguments()) - 1), [None])
    inputs, head = [rng.standard_normal(shape) for shape in shapes], rng.standard_normal(outs[0])
    with device.active():
        kernel = maker(device, op, shapes, outs, math=math)
        found = on_gpu(device, kernel, inputs, head, 3)
    tolerance = {"float32": 1e-4, "tf32": 5e-3, "float16": 1e-2, "bfloat16": 8e-2}[math]
    for got, want in zip(found[0], plain(op, inputs, head), strict=True):
        np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance * np.abs(want).max())
    for again in found[1:]:
        assert all((one == other).all() for one, other in zip(found[0], again, strict=True))
    return kernel


@pytest.mark.gpu
@pytest.mark.parametrize("math", MODES)
@pytest.mark.parametrize("layer", LAYERS)
def test_convolution_on_a_gpu(real_device, layer, math):
    data, options = LAYERS[layer]
    kernel = compare(real_device, convolution_kernel, Convolution(**options), (min(4, data[0]), *data[1:]), math)
    assert isinstance(kernel, ConvolutionKernel), wrapper.available()
    with real_device.active():
        assert not wrapper.Cudnn.of(real_device).refused


@pytest.mark.gpu
@pytest.mark.parametrize("tune", ["limited_workspace", "fastest"])
@pytest.mark.parametrize("math", MODES)
def test_plans_that_were_timed_on_a_gpu(real_device, math, tune):
    data, options = LAYERS["3x3"]
    compare(real_device, convolution_kernel, Convolution(**options, cudnn_tune=tune), (4, *data[1:]), math)


@pytest.mark.gpu
@pytest.mark.parametrize("math", MODES)
def test_deconvolution_on_a_gpu(real_device, math):
    op = Deconvolution(kernel=(4, 3), stride=(2, 3), pad=(1, 0), adj=(1, 2), num_filter=6, num_group=2, no_bias=False)
    compare(real_device, DeconvolutionKernel, op, (3, 4, 7, 6), math)
