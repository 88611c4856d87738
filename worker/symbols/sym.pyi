"""The names of `mx.sym` for type checkers and editors. `make docs` generates this file from the operators."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from ..graphs.naming import AttrScope as AttrScope
from .functions import arange as arange
from .functions import full as full
from .functions import hypot as hypot
from .functions import maximum as maximum
from .functions import minimum as minimum
from .functions import ones as ones
from .functions import pow as pow
from .functions import power as power
from .functions import zeros as zeros
from .symbol import Symbol as Symbol
from .symbol import load as load
from .symbol import loads
from .variables import group, variable

Group = group
Variable = variable
var = variable
load_json = loads

def elemwise_add(
    lhs: Symbol,
    rhs: Symbol | None = None,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """lhs + rhs, for equal shapes."""

_plus = elemwise_add
_Plus = elemwise_add
_add = elemwise_add

def elemwise_sub(
    lhs: Symbol,
    rhs: Symbol | None = None,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """lhs - rhs, for equal shapes."""

_minus = elemwise_sub
_Minus = elemwise_sub
_sub = elemwise_sub

def elemwise_mul(
    lhs: Symbol,
    rhs: Symbol | None = None,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """lhs * rhs, for equal shapes."""

_mul = elemwise_mul
_Mul = elemwise_mul

def elemwise_div(
    lhs: Symbol,
    rhs: Symbol | None = None,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """lhs / rhs, for equal shapes."""

_div = elemwise_div
_Div = elemwise_div

def _power(
    lhs: Symbol,
    rhs: Symbol | None = None,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """lhs ** rhs, for equal shapes; the gradient of rhs is a number only where lhs is positive."""

_Power = _power

def Activation(
    data: Symbol,
    act_type: Literal["relu", "sigmoid", "tanh", "softrelu", "softsign"] | str,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = f(data), f being relu, sigmoid, tanh, softrelu (ln(1 + e^x)) or softsign (x / (1 + |x|))."""

def argmax(
    data: Symbol,
    axis: int | None = None,
    keepdims: bool = False,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """The index of the largest element along `axis`, or in the flattened data if that is None; the first of equal
    ones."""

def argmin(
    data: Symbol,
    axis: int | None = None,
    keepdims: bool = False,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """The index of the smallest element; axis and keepdims as in argmax."""

def argmax_channel(
    data: Symbol,
    axis: int | None = None,
    keepdims: bool = False,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """The channel (index on axis 1) of the largest element."""

def Flatten(
    data: Symbol,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """data (N, ...) -> (N, D), where D is the product of data's extents after the first."""

flatten = Flatten

def _copy(
    data: Symbol,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """The output is data."""

identity = _copy

def BlockGrad(
    data: Symbol,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """The output is data, and no gradient passes back."""

stop_gradient = BlockGrad

def transpose(
    data: Symbol,
    axes: int | Sequence[int] = (),
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """data with its axes in the order `axes`, or in reverse order if that is empty."""

def SwapAxis(
    data: Symbol,
    dim1: int = 0,
    dim2: int = 0,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """data with the axes dim1 and dim2 exchanged."""

swapaxes = SwapAxis

def expand_dims(
    data: Symbol,
    axis: int,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """data with a new axis of extent 1 at position `axis` of the output; negative positions count from its end."""

def squeeze(
    data: Symbol,
    axis: int | Sequence[int] | None = None,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """data without the axes of extent 1 that `axis` names, or without all axes of extent 1; one axis always
    stays."""

def BatchNorm(
    data: Symbol,
    gamma: Symbol | None = None,
    beta: Symbol | None = None,
    moving_mean: Symbol | None = None,
    moving_var: Symbol | None = None,
    eps: float = 0.001,
    momentum: float = 0.9,
    fix_gamma: bool = True,
    use_global_stats: bool = False,
    output_mean_var: bool = False,
    axis: int = 1,
    cudnn_off: bool = False,
    min_calib_range: float | None = None,
    max_calib_range: float | None = None,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """output = (data - mean) / sqrt(variance + eps) * gamma + beta, for each channel, that is, each index on
    `axis`."""

BatchNorm_v1 = BatchNorm

def CuDNNBatchNorm(
    data: Symbol,
    gamma: Symbol | None = None,
    beta: Symbol | None = None,
    moving_mean: Symbol | None = None,
    moving_inv_var: Symbol | None = None,
    eps: float = 0.001,
    momentum: float = 0.9,
    use_global_stats: bool = False,
    output_mean_var: bool = False,
    axis: int = 1,
    cudnn_off: bool = False,
    min_calib_range: float | None = None,
    max_calib_range: float | None = None,
    fix_gamma: bool = False,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """BatchNorm's name in files of networks trained with cuDNN before 2017; gamma is learned unless fix_gamma."""

def broadcast_add(
    lhs: Symbol,
    rhs: Symbol | None = None,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """lhs + rhs, with extents of 1 stretched."""

broadcast_plus = broadcast_add

def broadcast_sub(
    lhs: Symbol,
    rhs: Symbol | None = None,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """lhs - rhs, with extents of 1 stretched."""

broadcast_minus = broadcast_sub

def broadcast_mul(
    lhs: Symbol,
    rhs: Symbol | None = None,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """lhs * rhs, with extents of 1 stretched."""

def broadcast_div(
    lhs: Symbol,
    rhs: Symbol | None = None,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """lhs / rhs, with extents of 1 stretched."""

def broadcast_power(
    lhs: Symbol,
    rhs: Symbol | None = None,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """lhs ** rhs, with extents of 1 stretched; the gradient of rhs needs a positive lhs."""

def Cast(
    data: Symbol,
    dtype: Any,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """data rounded to the numbers that `dtype` can hold, but stored in the graph's own type; the shape is
    data's."""

cast = Cast

def amp_cast(
    data: Symbol,
    dtype: Any,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """data unchanged: the precision is the graph's."""

def _CrossDeviceCopy(
    data: Symbol,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """data unchanged: executors keep a graph on one device."""

def clip(
    data: Symbol,
    a_min: float,
    a_max: float,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = min(max(data, a_min), a_max), of data's shape. The gradient passes where a_min <= data <= a_max."""

def Concat(
    *args: Symbol,
    dim: int = 1,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
    **keywords: Any,
) -> Symbol:
    """arg0, arg1, ... joined along axis `dim`; their other extents are equal, and the output's along `dim` is the
    sum."""

concat = Concat

def _zeros(
    ctx: Any = "",
    dtype: Any = "float32",
    shape: int | Sequence[int] = (),
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """Zeros of shape `shape`, where 0 stands for an extent that is inferred from how the output is used."""

def _ones(
    ctx: Any = "",
    dtype: Any = "float32",
    shape: int | Sequence[int] = (),
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """Ones of shape `shape`, where 0 stands for an extent that is inferred from how the output is used."""

def _full(
    *,
    ctx: Any = "",
    dtype: Any = "float32",
    shape: int | Sequence[int] = (),
    value: float,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """`value` everywhere; `shape` as in _zeros."""

def _arange(
    *,
    ctx: Any = "",
    dtype: Any = "float32",
    start: float,
    stop: float | None = None,
    step: float = 1.0,
    repeat: int = 1,
    infer_range: bool = False,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """start, start + step, ... up to but not including stop (or 0 to start without a stop), each `repeat` times."""

def Convolution(
    data: Symbol,
    weight: Symbol | None = None,
    bias: Symbol | None = None,
    *,
    kernel: int | Sequence[int],
    stride: int | Sequence[int] = (),
    dilate: int | Sequence[int] = (),
    pad: int | Sequence[int] = (),
    num_filter: int,
    num_group: int = 1,
    workspace: int = 1024,
    no_bias: bool = False,
    cudnn_tune: Literal["off", "limited_workspace", "fastest"] | str | None = None,
    cudnn_off: bool = False,
    layout: Literal["NCW", "NCHW", "NCDHW"] | str | None = None,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """data (N, C, H, W), weight (num_filter, C / num_group, KH, KW), bias (num_filter,) -> (N, num_filter, OH,
    OW)."""

Convolution_v1 = Convolution

def Crop(
    *args: Symbol,
    offset: int | Sequence[int] = (0, 0),
    h_w: int | Sequence[int] = (0, 0),
    center_crop: bool = False,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
    **keywords: Any,
) -> Symbol:
    """arg0 (N, C, H, W) cut to height and width `h_w`, or with num_args=2 to those of arg1, which gets no
    gradient."""

def Custom(
    *args: Symbol,
    op_type: str,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
    **keywords: Any,
) -> Symbol:
    """The operator that was registered under the name `op_type`; see docs/add-an-operator.md."""

def Deconvolution(
    data: Symbol,
    weight: Symbol | None = None,
    bias: Symbol | None = None,
    *,
    kernel: int | Sequence[int],
    stride: int | Sequence[int] = (),
    dilate: int | Sequence[int] = (),
    pad: int | Sequence[int] = (),
    adj: int | Sequence[int] = (),
    target_shape: int | Sequence[int] = (),
    num_filter: int,
    num_group: int = 1,
    workspace: int = 512,
    no_bias: bool = True,
    cudnn_tune: Literal["off", "limited_workspace", "fastest"] | str | None = None,
    cudnn_off: bool = False,
    layout: Literal["NCW", "NCHW", "NCDHW"] | str | None = None,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """data (N, C, H, W), weight (C, num_filter / num_group, KH, KW), bias (num_filter,) -> (N, num_filter, OH,
    OW)."""

def Dropout(
    data: Symbol,
    p: float = 0.5,
    mode: Literal["training", "always"] | str = "training",
    axes: int | Sequence[int] = (),
    cudnn_off: bool = False,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = data / (1-p) where u < 1-p, else 0; u is uniform in [0, 1). Outside of training y = data (mode
    "training")."""

def add_n(
    *args: Symbol,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
    **keywords: Any,
) -> Symbol:
    """arg0 + arg1 + ..., for equal shapes, added from left to right."""

ElementWiseSum = add_n
_sum = add_n

def Embedding(
    data: Symbol,
    weight: Symbol | None = None,
    *,
    input_dim: int,
    output_dim: int,
    dtype: Any = "float32",
    sparse_grad: bool = False,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """data (...) of ids 0 to input_dim - 1, weight (input_dim, output_dim) -> (..., output_dim)."""

def FullyConnected(
    data: Symbol,
    weight: Symbol | None = None,
    bias: Symbol | None = None,
    *,
    num_hidden: int,
    no_bias: bool = False,
    flatten: bool = True,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """Every output is a weighted sum of all inputs of its row, plus a bias: y = x W^T + b."""

def take(
    a: Symbol,
    indices: Symbol | None = None,
    axis: int = 0,
    mode: Literal["clip", "wrap", "raise"] | str = "clip",
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """a (..., n, ...), indices of any shape -> a with its axis `axis` replaced by the axes of indices."""

def pick(
    data: Symbol,
    index: Symbol | None = None,
    axis: int = -1,
    keepdims: bool = False,
    mode: Literal["clip", "wrap"] | str = "clip",
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """One element of data along `axis` for each index; index has data's shape without that axis, or with extent
    1."""

choose_element_0index = pick

def one_hot(
    indices: Symbol,
    depth: int,
    on_value: float = 1.0,
    off_value: float = 0.0,
    dtype: Any = "float32",
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """indices (...) -> (..., depth): on_value at each index, off_value elsewhere; an index out of range gets
    none."""

def where(
    condition: Symbol,
    x: Symbol | None = None,
    y: Symbol | None = None,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """x where condition is not 0, else y. condition has their shape, or is (N,) and chooses whole rows."""

def InstanceNorm(
    data: Symbol,
    gamma: Symbol | None = None,
    beta: Symbol | None = None,
    eps: float = 0.001,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = (x - mean) / sqrt(variance + eps) * gamma + beta, with statistics over the positions of each row and
    channel."""

def LayerNorm(
    data: Symbol,
    gamma: Symbol | None = None,
    beta: Symbol | None = None,
    eps: float = 1e-05,
    axis: int = -1,
    output_mean_var: bool = False,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = (x - mean) / sqrt(variance + eps) * gamma + beta, with statistics along `axis` for every other index."""

def L2Normalization(
    data: Symbol,
    eps: float = 1e-10,
    mode: Literal["instance", "channel", "spatial"] | str = "instance",
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = x / sqrt(sum of x^2 + eps), summed over a row (mode instance), axis 1 (channel), or axes 2 and up
    (spatial)."""

def LeakyReLU(
    data: Symbol,
    gamma: Symbol | None = None,
    act_type: Literal["leaky", "elu", "prelu", "rrelu", "selu", "gelu"] | str = "leaky",
    slope: float = 0.25,
    lower_bound: float = 0.125,
    upper_bound: float = 0.334,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = x above zero; below, by act_type: slope * x (leaky), slope * (e^x - 1) (elu), gamma * x (prelu,
    rrelu)."""

def LRN(
    data: Symbol,
    nsize: int,
    alpha: float = 0.0001,
    beta: float = 0.75,
    knorm: float = 2.0,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = x * (knorm + alpha / nsize * sum of x^2 over the nsize channels around it)^-beta."""

def MakeLoss(
    data: Symbol,
    grad_scale: float = 1.0,
    valid_thresh: float = 0.0,
    normalization: Literal["null", "batch", "valid"] | str = "null",
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """The output is data, of any shape; the gradient is grad_scale / Z everywhere, whatever the head gradient."""

def make_loss(
    data: Symbol,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """The output is data, of any shape; its gradient is 1, whatever the head gradient."""

def dot(
    lhs: Symbol,
    rhs: Symbol | None = None,
    transpose_a: bool = False,
    transpose_b: bool = False,
    forward_stype: Literal["default", "row_sparse", "csr"] | str | None = None,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """lhs (..., K), rhs (K, ...) -> the remaining axes of lhs and then those of rhs; two vectors give (1,)."""

def batch_dot(
    lhs: Symbol,
    rhs: Symbol | None = None,
    transpose_a: bool = False,
    transpose_b: bool = False,
    forward_stype: Literal["default", "row_sparse", "csr"] | str | None = None,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """lhs (..., M, K) times rhs (..., K, N), matrix by matrix, -> (..., M, N)."""

def Pad(
    data: Symbol,
    mode: Literal["constant", "edge", "reflect"] | str,
    pad_width: int | Sequence[int],
    constant_value: float = 0.0,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """data (N, C, H, W) or (N, C, D, H, W) with a border added along its spatial axes."""

pad = Pad

def _maximum(
    lhs: Symbol,
    rhs: Symbol | None = None,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """The larger of lhs and rhs, for equal shapes."""

_Maximum = _maximum

def broadcast_maximum(
    lhs: Symbol,
    rhs: Symbol | None = None,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """The larger of lhs and rhs, with extents of 1 stretched."""

def _maximum_scalar(
    data: Symbol,
    scalar: float = 1.0,
    is_int: bool = True,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """The larger of data and scalar."""

_MaximumScalar = _maximum_scalar

def _minimum(
    lhs: Symbol,
    rhs: Symbol | None = None,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """The smaller of lhs and rhs, for equal shapes."""

_Minimum = _minimum

def broadcast_minimum(
    lhs: Symbol,
    rhs: Symbol | None = None,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """The smaller of lhs and rhs, with extents of 1 stretched."""

def _minimum_scalar(
    data: Symbol,
    scalar: float = 1.0,
    is_int: bool = True,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """The smaller of data and scalar."""

_MinimumScalar = _minimum_scalar

def _hypot(
    lhs: Symbol,
    rhs: Symbol | None = None,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """sqrt(lhs^2 + rhs^2), for equal shapes."""

_Hypot = _hypot

def broadcast_hypot(
    lhs: Symbol,
    rhs: Symbol | None = None,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """sqrt(lhs^2 + rhs^2), with extents of 1 stretched."""

def _hypot_scalar(
    data: Symbol,
    scalar: float = 1.0,
    is_int: bool = True,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """sqrt(data^2 + scalar^2)."""

_HypotScalar = _hypot_scalar

def _mod(
    lhs: Symbol,
    rhs: Symbol | None = None,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """lhs modulo rhs, of a quotient rounded down; 0 where rhs is 0, for equal shapes."""

_Mod = _mod

def broadcast_mod(
    lhs: Symbol,
    rhs: Symbol | None = None,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """lhs modulo rhs, of a quotient rounded down; 0 where rhs is 0, with extents of 1 stretched."""

def _mod_scalar(
    data: Symbol,
    scalar: float = 1.0,
    is_int: bool = True,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """data modulo scalar, of a quotient rounded down; 0 where scalar is 0."""

_ModScalar = _mod_scalar

def _rmod_scalar(
    data: Symbol,
    scalar: float = 1.0,
    is_int: bool = True,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """scalar modulo data, and 0 where data is 0."""

_RModScalar = _rmod_scalar

def _equal(
    lhs: Symbol,
    rhs: Symbol | None = None,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """1 where lhs equals rhs, else 0, for equal shapes."""

_Equal = _equal

def broadcast_equal(
    lhs: Symbol,
    rhs: Symbol | None = None,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """1 where lhs equals rhs, else 0, with extents of 1 stretched."""

def _equal_scalar(
    data: Symbol,
    scalar: float = 1.0,
    is_int: bool = True,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """1 where data equals scalar, else 0."""

_EqualScalar = _equal_scalar

def _not_equal(
    lhs: Symbol,
    rhs: Symbol | None = None,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """1 where lhs differs from rhs, else 0, for equal shapes."""

_Not_Equal = _not_equal

def broadcast_not_equal(
    lhs: Symbol,
    rhs: Symbol | None = None,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """1 where lhs differs from rhs, else 0, with extents of 1 stretched."""

def _not_equal_scalar(
    data: Symbol,
    scalar: float = 1.0,
    is_int: bool = True,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """1 where data differs from scalar, else 0."""

_NotEqualScalar = _not_equal_scalar

def _greater(
    lhs: Symbol,
    rhs: Symbol | None = None,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """1 where lhs is greater than rhs, else 0, for equal shapes."""

_Greater = _greater

def broadcast_greater(
    lhs: Symbol,
    rhs: Symbol | None = None,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """1 where lhs is greater than rhs, else 0, with extents of 1 stretched."""

def _greater_scalar(
    data: Symbol,
    scalar: float = 1.0,
    is_int: bool = True,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """1 where data is greater than scalar, else 0."""

_GreaterScalar = _greater_scalar

def _greater_equal(
    lhs: Symbol,
    rhs: Symbol | None = None,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """1 where lhs is at least rhs, else 0, for equal shapes."""

_Greater_Equal = _greater_equal

def broadcast_greater_equal(
    lhs: Symbol,
    rhs: Symbol | None = None,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """1 where lhs is at least rhs, else 0, with extents of 1 stretched."""

def _greater_equal_scalar(
    data: Symbol,
    scalar: float = 1.0,
    is_int: bool = True,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """1 where data is at least scalar, else 0."""

_GreaterEqualScalar = _greater_equal_scalar

def _lesser(
    lhs: Symbol,
    rhs: Symbol | None = None,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """1 where lhs is less than rhs, else 0, for equal shapes."""

_Lesser = _lesser

def broadcast_lesser(
    lhs: Symbol,
    rhs: Symbol | None = None,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """1 where lhs is less than rhs, else 0, with extents of 1 stretched."""

def _lesser_scalar(
    data: Symbol,
    scalar: float = 1.0,
    is_int: bool = True,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """1 where data is less than scalar, else 0."""

_LesserScalar = _lesser_scalar

def _lesser_equal(
    lhs: Symbol,
    rhs: Symbol | None = None,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """1 where lhs is at most rhs, else 0, for equal shapes."""

_Lesser_Equal = _lesser_equal

def broadcast_lesser_equal(
    lhs: Symbol,
    rhs: Symbol | None = None,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """1 where lhs is at most rhs, else 0, with extents of 1 stretched."""

def _lesser_equal_scalar(
    data: Symbol,
    scalar: float = 1.0,
    is_int: bool = True,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """1 where data is at most scalar, else 0."""

_LesserEqualScalar = _lesser_equal_scalar

def _logical_and(
    lhs: Symbol,
    rhs: Symbol | None = None,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """1 where neither lhs nor rhs is 0, else 0, for equal shapes."""

_Logical_And = _logical_and

def broadcast_logical_and(
    lhs: Symbol,
    rhs: Symbol | None = None,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """1 where neither lhs nor rhs is 0, else 0, with extents of 1 stretched."""

def _logical_and_scalar(
    data: Symbol,
    scalar: float = 1.0,
    is_int: bool = True,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """1 where neither data nor scalar is 0, else 0."""

_LogicalAndScalar = _logical_and_scalar

def _logical_or(
    lhs: Symbol,
    rhs: Symbol | None = None,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """1 where lhs or rhs is not 0, else 0, for equal shapes."""

_Logical_Or = _logical_or

def broadcast_logical_or(
    lhs: Symbol,
    rhs: Symbol | None = None,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """1 where lhs or rhs is not 0, else 0, with extents of 1 stretched."""

def _logical_or_scalar(
    data: Symbol,
    scalar: float = 1.0,
    is_int: bool = True,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """1 where data or scalar is not 0, else 0."""

_LogicalOrScalar = _logical_or_scalar

def _logical_xor(
    lhs: Symbol,
    rhs: Symbol | None = None,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """1 where one of lhs and rhs is 0 and the other is not, else 0, for equal shapes."""

_Logical_Xor = _logical_xor

def broadcast_logical_xor(
    lhs: Symbol,
    rhs: Symbol | None = None,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """1 where one of lhs and rhs is 0 and the other is not, else 0, with extents of 1 stretched."""

def _logical_xor_scalar(
    data: Symbol,
    scalar: float = 1.0,
    is_int: bool = True,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """1 where one of data and scalar is 0 and the other is not, else 0."""

_LogicalXorScalar = _logical_xor_scalar

def Pooling(
    data: Symbol,
    kernel: int | Sequence[int] = (),
    pool_type: Literal["max", "avg", "sum", "lp"] | str = "max",
    global_pool: bool = False,
    pooling_convention: Literal["valid", "full", "same"] | str = "valid",
    stride: int | Sequence[int] = (),
    pad: int | Sequence[int] = (),
    p_value: int | None = None,
    count_include_pad: bool | None = None,
    cudnn_off: bool = False,
    layout: Literal["NCW", "NCHW", "NCDHW", "NWC", "NHWC", "NDHWC"] | str | None = None,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """data (N, C, H, W) -> (N, C, OH, OW), one value per window and channel; there may also be 1 or 3 spatial
    axes."""

Pooling_v1 = Pooling

def sum(
    data: Symbol,
    axis: int | Sequence[int] | None = None,
    keepdims: bool = False,
    exclude: bool = False,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """The sum over `axis` (one, several, or all if none is named), or with `exclude` over all other axes."""

sum_axis = sum

def mean(
    data: Symbol,
    axis: int | Sequence[int] | None = None,
    keepdims: bool = False,
    exclude: bool = False,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """The mean; axes as in sum."""

def max(
    data: Symbol,
    axis: int | Sequence[int] | None = None,
    keepdims: bool = False,
    exclude: bool = False,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """The largest element; axes as in sum. If several are the largest, each gets the whole gradient."""

max_axis = max

def min(
    data: Symbol,
    axis: int | Sequence[int] | None = None,
    keepdims: bool = False,
    exclude: bool = False,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """The smallest element; axes as in sum. If several are the smallest, each gets the whole gradient."""

min_axis = min

def prod(
    data: Symbol,
    axis: int | Sequence[int] | None = None,
    keepdims: bool = False,
    exclude: bool = False,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """The product; axes as in sum. The gradient is correct next to zeros, too, where MXNet's is NaN."""

def nansum(
    data: Symbol,
    axis: int | Sequence[int] | None = None,
    keepdims: bool = False,
    exclude: bool = False,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """The sum of the elements that are not NaN; axes as in sum."""

def nanprod(
    data: Symbol,
    axis: int | Sequence[int] | None = None,
    keepdims: bool = False,
    exclude: bool = False,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """The product of the elements that are not NaN; axes as in sum."""

def norm(
    data: Symbol,
    ord: int = 2,
    axis: int | Sequence[int] | None = None,
    out_dtype: Any | None = None,
    keepdims: bool = False,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """The sum of absolute values (ord 1) or the root of the sum of squares (ord 2) over `axis`; all axes if
    None."""

def LinearRegressionOutput(
    data: Symbol,
    label: Symbol | None = None,
    grad_scale: float = 1.0,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """Least squares: the output is data, and data's gradient is output - label."""

def LogisticRegressionOutput(
    data: Symbol,
    label: Symbol | None = None,
    grad_scale: float = 1.0,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """Cross-entropy of independent yes/no labels: the output is sigmoid(data), data's gradient output - label."""

def MAERegressionOutput(
    data: Symbol,
    label: Symbol | None = None,
    grad_scale: float = 1.0,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """Absolute error: the output is data, and data's gradient is 1 where output > label, else -1 (as in MXNet)."""

def Reshape(
    data: Symbol,
    shape: int | Sequence[int] = (),
    reverse: bool = False,
    target_shape: int | Sequence[int] = (),
    keep_highest: bool = False,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """data in another shape with as many elements, in row-major order."""

reshape = Reshape

def RNN(
    data: Symbol,
    parameters: Symbol | None = None,
    state: Symbol | None = None,
    state_cell: Symbol | None = None,
    *,
    state_size: int,
    num_layers: int,
    mode: Literal["rnn_relu", "rnn_tanh", "lstm", "gru"] | str,
    bidirectional: bool = False,
    p: float = 0.0,
    state_outputs: bool = False,
    projection_size: int | None = None,
    use_sequence_length: bool = False,
    lstm_state_clip_min: float | None = None,
    lstm_state_clip_max: float | None = None,
    lstm_state_clip_nan: bool = False,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """data (T, N, C), a vector of parameters, state and for lstm state_cell (L, N, H) -> (T, N, H * directions)."""

def ROIPooling(
    data: Symbol,
    rois: Symbol | None = None,
    *,
    pooled_size: int | Sequence[int],
    spatial_scale: float,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """data (N, C, H, W), rois (R, 5) -> (R, C, *pooled_size), after Girshick, "Fast R-CNN" (2015)."""

def _plus_scalar(
    data: Symbol,
    scalar: float = 1.0,
    is_int: bool = True,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """data + scalar."""

_PlusScalar = _plus_scalar

def _minus_scalar(
    data: Symbol,
    scalar: float = 1.0,
    is_int: bool = True,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """data - scalar."""

_MinusScalar = _minus_scalar

def _rminus_scalar(
    data: Symbol,
    scalar: float = 1.0,
    is_int: bool = True,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """scalar - data."""

_RMinusScalar = _rminus_scalar

def _mul_scalar(
    data: Symbol,
    scalar: float = 1.0,
    is_int: bool = True,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """data * scalar."""

_MulScalar = _mul_scalar

def _div_scalar(
    data: Symbol,
    scalar: float = 1.0,
    is_int: bool = True,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """data / scalar."""

_DivScalar = _div_scalar

def _rdiv_scalar(
    data: Symbol,
    scalar: float = 1.0,
    is_int: bool = True,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """scalar / data."""

_RDivScalar = _rdiv_scalar

def _power_scalar(
    data: Symbol,
    scalar: float = 1.0,
    is_int: bool = True,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """data ** scalar."""

_PowerScalar = _power_scalar

def _rpower_scalar(
    data: Symbol,
    scalar: float = 1.0,
    is_int: bool = True,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """scalar ** data; the gradient is NaN unless scalar is positive."""

_RPowerScalar = _rpower_scalar

def SequenceMask(
    data: Symbol,
    sequence_length: Symbol | None = None,
    use_sequence_length: bool = False,
    value: float = 0.0,
    axis: int = 0,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """data with every step after a row's length replaced by `value`."""

def SequenceLast(
    data: Symbol,
    sequence_length: Symbol | None = None,
    use_sequence_length: bool = False,
    axis: int = 0,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """The last step of each row, (N, ...)."""

def SequenceReverse(
    data: Symbol,
    sequence_length: Symbol | None = None,
    use_sequence_length: bool = False,
    axis: int = 0,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """data with each row's steps up to its length in reverse order; later steps stay where they are."""

def SliceChannel(
    data: Symbol,
    num_outputs: int,
    axis: int = 1,
    squeeze_axis: bool = False,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """data cut along `axis` into num_outputs parts of equal extent: output0, output1, ..."""

split = SliceChannel

def slice(
    data: Symbol,
    begin: Any,
    end: Any,
    step: Any = (),
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """data[begin[0]:end[0]:step[0], begin[1]:end[1]:step[1], ...] with Python's rules; axes not named stay
    whole."""

crop = slice

def slice_axis(
    data: Symbol,
    axis: int,
    begin: int,
    end: int | None = None,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """data from `begin` up to, not including, `end` (None: the end) along `axis`; negative ones count from the
    end."""

def slice_like(
    data: Symbol,
    shape_like: Symbol | None = None,
    axes: int | Sequence[int] = (),
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """The first elements of data, as many as shape_like has along `axes` (all axes if none is named)."""

def reverse(
    data: Symbol,
    axis: int | Sequence[int],
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """data with its elements in reverse order along each of `axis`."""

flip = reverse

def smooth_l1(
    data: Symbol,
    scalar: float = 1.0,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = (s x)^2 / 2 where |x| < 1 / s^2, else |x| - 1 / (2 s^2); s is `scalar`. Girshick: "Fast R-CNN" (2015)."""

def softmax(
    data: Symbol,
    axis: int = -1,
    temperature: float | None = None,
    dtype: Literal["float16", "float32", "float64"] | str | None = None,
    use_length: bool | None = None,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = e^(x / temperature), divided by its sum along `axis`."""

def softmin(
    data: Symbol,
    axis: int = -1,
    temperature: float | None = None,
    dtype: Literal["float16", "float32", "float64"] | str | None = None,
    use_length: bool | None = None,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = e^(-x / temperature), divided by its sum along `axis`."""

def log_softmax(
    data: Symbol,
    axis: int = -1,
    temperature: float | None = None,
    dtype: Literal["float16", "float32", "float64"] | str | None = None,
    use_length: bool | None = None,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = x / temperature - ln(sum of e^(x / temperature)), along `axis`."""

def SoftmaxActivation(
    data: Symbol,
    mode: Literal["instance", "channel"] | str = "instance",
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """Softmax along the last axis (mode instance, data with at least 2 axes) or axis 1 (channel, at least 3)."""

def SoftmaxOutput(
    data: Symbol,
    label: Symbol | None = None,
    grad_scale: float = 1.0,
    ignore_label: float = -1.0,
    multi_output: bool = False,
    use_ignore: bool = False,
    preserve_shape: bool = False,
    normalization: Literal["null", "batch", "valid"] | str = "null",
    out_grad: bool = False,
    smooth_alpha: float = 0.0,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """output = softmax(data) over the classes; backward writes (output - onehot(label)) * grad_scale / Z."""

Softmax = SoftmaxOutput

def stack(
    *args: Symbol,
    axis: int = 0,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
    **keywords: Any,
) -> Symbol:
    """arg0, arg1, ..., all of one shape, joined along a new axis at position `axis` of the output."""

def broadcast_to(
    data: Symbol,
    shape: int | Sequence[int] = (),
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """data with its extents of 1 stretched to those of `shape`, where 0 means data's own extent."""

def broadcast_axis(
    data: Symbol,
    axis: int | Sequence[int] = (),
    size: int | Sequence[int] = (),
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """data with its extent of 1 on each of `axis` stretched to the extents `size`."""

broadcast_axes = broadcast_axis

def broadcast_like(
    lhs: Symbol,
    rhs: Symbol | None = None,
    lhs_axes: int | Sequence[int] | None = None,
    rhs_axes: int | Sequence[int] | None = None,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """lhs with its extents of 1 stretched to those of rhs: on all axes, or on each of lhs_axes to that of
    rhs_axes."""

def tile(
    data: Symbol,
    reps: int | Sequence[int],
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """data put side by side `reps` times along each axis; axes are matched from the last, missing ones are
    added."""

def repeat(
    data: Symbol,
    repeats: int,
    axis: int | None = None,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """Each element of data `repeats` times in a row along `axis`, or of the flattened data if that is None."""

def SVMOutput(
    data: Symbol,
    label: Symbol | None = None,
    margin: float = 1.0,
    regularization_coefficient: float = 1.0,
    use_linear: bool = False,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """The output is data (N, K); its gradient is that of C * sum over classes of max(0, margin - t x)^2."""

def abs(
    data: Symbol,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """|data|; its slope at 0 is 0."""

def sign(
    data: Symbol,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """-1, 0 or 1."""

def negative(
    data: Symbol,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """-data."""

def reciprocal(
    data: Symbol,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """1 / data."""

def square(
    data: Symbol,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """data^2."""

def sqrt(
    data: Symbol,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """The square root."""

def rsqrt(
    data: Symbol,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """1 / sqrt(data)."""

def cbrt(
    data: Symbol,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """The cube root."""

def rcbrt(
    data: Symbol,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """1 / cbrt(data)."""

def round(
    data: Symbol,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """The nearest whole number, halves away from zero."""

def rint(
    data: Symbol,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """The nearest whole number, halves downwards."""

def ceil(
    data: Symbol,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """Rounded up to a whole number."""

def floor(
    data: Symbol,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """Rounded down to a whole number."""

def trunc(
    data: Symbol,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """Rounded towards zero to a whole number."""

def fix(
    data: Symbol,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """Rounded towards zero to a whole number."""

def logical_not(
    data: Symbol,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """1 where data is 0, else 0."""

def exp(
    data: Symbol,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """e^data."""

def expm1(
    data: Symbol,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """e^data - 1, accurate for small data."""

def log(
    data: Symbol,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """The natural logarithm."""

def log1p(
    data: Symbol,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """ln(1 + data), accurate for small data."""

def log2(
    data: Symbol,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """The logarithm to base 2."""

def log10(
    data: Symbol,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """The logarithm to base 10."""

def sin(
    data: Symbol,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """The sine, of radians."""

def cos(
    data: Symbol,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """The cosine, of radians."""

def tan(
    data: Symbol,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """The tangent, of radians."""

def arcsin(
    data: Symbol,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """The inverse sine, in radians."""

def arccos(
    data: Symbol,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """The inverse cosine, in radians."""

def arctan(
    data: Symbol,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """The inverse tangent, in radians."""

def degrees(
    data: Symbol,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """Radians as degrees."""

def radians(
    data: Symbol,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """Degrees as radians."""

def sinh(
    data: Symbol,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """The hyperbolic sine."""

def cosh(
    data: Symbol,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """The hyperbolic cosine."""

def tanh(
    data: Symbol,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """The hyperbolic tangent."""

def arcsinh(
    data: Symbol,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """The inverse hyperbolic sine."""

def arccosh(
    data: Symbol,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """The inverse hyperbolic cosine."""

def arctanh(
    data: Symbol,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """The inverse hyperbolic tangent."""

def relu(
    data: Symbol,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """max(data, 0)."""

def sigmoid(
    data: Symbol,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """1 / (1 + e^-data)."""

def softsign(
    data: Symbol,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """data / (1 + |data|)."""

def erf(
    data: Symbol,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """The error function."""

def gamma(
    data: Symbol,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """The gamma function."""

def gammaln(
    data: Symbol,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """The logarithm of |gamma(data)|."""

def hard_sigmoid(
    data: Symbol,
    alpha: float = 0.2,
    beta: float = 0.5,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """y = alpha data + beta, limited to [0, 1], of data's shape; the slope is 0 at these limits and beyond."""

def zeros_like(
    data: Symbol,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """Zeros of data's shape."""

def ones_like(
    data: Symbol,
    *,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
) -> Symbol:
    """Ones of data's shape."""

def UpSampling(
    *args: Symbol,
    scale: int,
    num_filter: int = 0,
    sample_type: Literal["nearest", "bilinear"] | str,
    multi_input_mode: Literal["concat", "sum"] | str = "concat",
    workspace: int = 512,
    name: str | None = None,
    attr: Mapping[str, str] | None = None,
    **keywords: Any,
) -> Symbol:
    """Planes `scale` times as high and wide."""
