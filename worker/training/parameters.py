"""The parameters of a network at the start of a training: given or drawn, to be learned or fixed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

import numpy as np

from ...common.errors import FileFormatError, GraphError, ParameterError
from ...common.suggestion import suggestion
from ..array import Array, Shape
from ..graphs.optional_inputs import zero_states
from ..ops.rnn import RNN
from .feeding import InputNames
from .given_parameters import extra_names
from .initializers import initializer
from .initializers.base import NoRule
from .model import Model


@dataclass
class Parameters:
    """The float32 host arrays that a training starts from, by name, each of its parameter's or state's shape.

    `multipliers` are (lr_mult, wd_mult); the names in `fixed` keep their values. `note` is a line for the log: how many
    parameters were given, drawn and left out; None if all were drawn, or all were given.
    """

    arguments: dict[str, Array]
    states: dict[str, Array]
    multipliers: dict[str, tuple[float, float]]
    fixed: frozenset[str] = frozenset()
    note: str | None = None

    @staticmethod
    def prepare(model: Model, names: InputNames, inputs: Mapping[str, Shape]) -> Parameters:
        """The model's parameters where it has them, the rest drawn in the order of list_arguments().

        `inputs`: shapes of the inputs for a global batch, as of `input_shapes`. Raises FileFormatError if one of the
        model's parameters has another shape than the network's, or is none of the network's and allow_extra_params is
        False; ParameterError if no rule draws a parameter or fixed_param_names fit none, or all; ShapeError or
        GraphError if the network does not take such data.
        """
        symbol = model.symbol
        model.settle_names()
        shapes = symbol.infer_all(**inputs)
        by_name = {node.name: shape for (node, _), shape in shapes.items() if node.op is None}  # variables alone
        taken = {*names.data, *names.label, *zero_states(symbol) - model.arg_params.keys()}
        learned = [name for name in symbol.list_arguments() if name not in taken]
        tally = _Tally()
        # Before anything is drawn: an error leaves the stream of random numbers where it was.
        for what, given, known in (
            ("arg_params", model.arg_params, symbol.list_arguments()),
            ("aux_params", model.aux_params, symbol.list_auxiliary_states()),
        ):
            tally.ignored += extra_names(what, given, known, model.allow_extra_params)
        attributes = symbol.attr_dict()
        vectors = {n.inputs[1][0].name: n.op for n in symbol.nodes() if isinstance(n.op, RNN)}
        draw = _Start(model, attributes, vectors, tally)
        # Arguments before states, each in the network's order, as in MXNet: equal seeds give its initial values.
        start = {name: draw(name, by_name[name], model.arg_params) for name in learned}
        states = {n: draw(n, by_name[n], model.aux_params) for n in symbol.list_auxiliary_states()}
        multipliers = {name: _multipliers(name, attributes.get(name, {})) for name in learned}
        fixed = matching(model.fixed_param_names, learned)
        return Parameters(start, states, multipliers, fixed, tally.note(len(fixed)))


@dataclass
class _Tally:
    """How many parameters were given, and the names of those that were drawn or left out."""

    taken: int = 0
    drawn: list[str] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)

    def note(self, fixed: int) -> str | None:
        """A line for the log; None if nothing was given, or if everything was given, used, and none is fixed."""
        if not (self.taken or self.ignored) or not (self.drawn or self.ignored or fixed):
            return None
        parts = [f"{self.taken} taken", _listed("drawn", self.drawn), _listed("ignored", self.ignored)]
        return "Parameters: " + ", ".join([*parts, f"{fixed} fixed"] if fixed else parts)


@dataclass
class _Start:
    """Gives a parameter's first value: the given one, or one drawn by its own initializer or else by the model's."""

    model: Model
    attributes: Mapping[str, Mapping[str, str]]
    vectors: Mapping[str, RNN]  # the operators that read all their weights and biases from one parameter, by its name
    tally: _Tally

    def __call__(self, name: str, shape: Shape, given: Mapping[str, Array]) -> Array:
        if name in given:
            self.tally.taken += 1
            return _fitting(name, shape, given[name])
        self.tally.drawn.append(name)
        own = self.attributes.get(name, {}).get("__init__")  # from Variable(init=...)
        value = self._by_name(name, shape) if own is None else self._by_rule(initializer.create(own), name, shape)
        return np.ascontiguousarray(value, np.float32)

    def _by_rule(self, rule: initializer.Initializer, name: str, shape: Shape) -> Array:
        if isinstance(rule, initializer.FusedRNN) and rule.init is None:
            rule.init = self.model.recurrent_initializer
        # `weight` and not a call: one's own initializer applies whatever the name ends in.
        return rule.weight(name, shape)

    def _by_name(self, name: str, shape: Shape) -> Array:
        """What the model's initializer makes of the name; where it knows no rule, what the operator asks for."""
        try:
            value: Array = self.model.initializer(name, shape)
        except NoRule:
            rnn = self.vectors.get(name)
            if rnn is None:
                raise
            rule = initializer.FusedRNN(None, rnn.state_size, rnn.num_layers, rnn.mode, rnn.bidirectional)
            value = self._by_rule(rule, name, shape)
        return value


def matching(patterns: Sequence[str], names: Sequence[str]) -> frozenset[str]:
    """Those of `names` that match one of the patterns, as file names do: "fc1_weight", "conv*", "stage[12]_*".

    Raises ParameterError for a pattern that matches none, and if all names match.
    """
    found: set[str] = set()
    for pattern in patterns:
        fitting = [name for name in names if fnmatchcase(name, pattern)]
        if not fitting:
            raise ParameterError(f"fixed_param_names: no parameter {pattern!r}{suggestion(pattern, names)}")
        found.update(fitting)
    if names and len(found) == len(names):
        raise ParameterError("fixed_param_names: nothing is left to learn", got=", ".join(patterns))
    return frozenset(found)


def _fitting(name: str, shape: Shape, value: Array) -> Array:
    """A float32 copy, which training may write to; FileFormatError unless it has that shape."""
    array = np.asarray(value, np.float32)
    if array.shape != shape:
        raise FileFormatError(
            f"parameter {name} does not fit this network",
            expected=f"shape {shape}",
            got=array.shape,
            remedy="A layer that replaces a trained one needs another name, or its parameters left out",
        )
    return array.copy()


def _listed(what: str, names: Sequence[str]) -> str:
    """`2 drawn (fc_weight, fc_bias)`, with at most four names."""
    if not names:
        return f"0 {what}"
    shown = ", ".join(names[:4]) + (", ..." if len(names) > 4 else "")
    return f"{len(names)} {what} ({shown})"


def _multipliers(name: str, attributes: Mapping[str, str]) -> tuple[float, float]:
    """MXNet's Python rule: weight decay applies to names that end in _weight or _gamma, unless the symbol says more."""
    decays = name.endswith(("_weight", "_gamma"))  # in R all parameters decay
    rate, decay = (_number(name, attributes, key) for key in ("lr_mult", "wd_mult"))
    return 1.0 if rate is None else rate, (1.0 if decays else 0.0) if decay is None else decay


def _number(name: str, attributes: Mapping[str, str], key: str) -> float | None:
    """The number that the variable `name` has as its attribute `key`; None if it has none. GraphError for a text."""
    text = attributes.get(f"__{key}__")
    try:
        return None if text is None else float(text)
    except ValueError:
        raise GraphError(f"variable {name}: attribute {key}", expected="a number", got=repr(text)[:80]) from None
