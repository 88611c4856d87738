"""The update of all parameters at once against ps/optimizer.py: the same bits."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from pushgrad.ps.optimizer import create
from pushgrad.ps.optimizers.base import KNOWN, Step
from pushgrad.ps.optimizers.momentum import SGD, AddScaled
from pushgrad.worker.training.gpu.update import FlatUpdate, handles, update_of
from pushgrad.worker.training.gpu.update_tables import Span

LAYOUT = [
    Span(0, 5, name="first_bias"),
    Span(8, 4096 * 2 + 3, wd_mult=0.0, name="first_weight"),
    Span(8204, 1, lr_mult=2.0, name="second_bias"),
    Span(8207, 700, lr_mult=0.5, wd_mult=3.0, name="second_weight"),
    Span(8907, 0, name="third_weight"),
]
SIZE = 9000
OPTIMIZERS = [
    SGD(),
    SGD(momentum=0.9, wd=0.0001, rescale_grad=1 / 128),
    SGD(wd=0.01, clip_gradient=0.5),
    SGD(momentum=0.99, wd=0.1, clip_gradient=0.3, rescale_grad=0.7),
    AddScaled(rescale_grad=0.3),
    *(
        create(name, **options, wd=0.1, clip_gradient=0.3, rescale_grad=0.7)
        for name, options in [
            ("nag", {"momentum": 0.9}),
            ("nag", {}),
            ("signum", {"wd_lh": 0.1}),
            ("signum", {"momentum": 0.0}),
            ("adam", {}),
            ("adamw", {}),
            ("adamax", {}),
            ("adagrad", {}),
            ("adadelta", {}),
            ("rmsprop", {"clip_weights": 1.5}),
            ("rmsprop", {"centered": True}),
            ("ftrl", {}),
            ("nadam", {}),
            ("lamb", {}),
            ("lamb", {"bias_correction": False, "lower_bound": 30.0, "upper_bound": 40.0}),
            ("lars", {"momentum": 0.9, "eps": 1e-3}),
            ("lars", {"momentum": 0.9, "momentum_correction": False}),
            ("lars", {}),
            ("sgld", {"seed": 2**40 + 7}),
        ]
    ),
]


def arrays(optimizer, seed=0):
    rng = np.random.default_rng(seed)
    made = [rng.standard_normal(SIZE).astype(np.float32) for _ in range(2 + len(optimizer.state_names))]
    # Roots are taken of states; a mean's square is less than the mean of squares.
    return [*made[:2], *(np.abs(state) / (1 + place) ** 2 for place, state in enumerate(made[2:]))]


def on_host(optimizer, weight, gradient, *states, step):
    states = dict(zip(optimizer.state_names, states, strict=True))
    for span in LAYOUT:
        here = slice(span.begin, span.begin + span.length)
        parts = {name: state[here] for name, state in states.items()}
        own = replace(step, lr_mult=span.lr_mult, wd_mult=span.wd_mult, key=span.name)
        optimizer.apply(gradient[None, here].copy(), weight[here], parts, own)


def made(bench, optimizer, sent):
    states = dict(zip(optimizer.state_names, sent[2:], strict=True))
    return bench.make(FlatUpdate, optimizer, LAYOUT, sent[0], sent[1], states)


def run(bench, update):
    with bench.device.active():
        update.run(bench.step)


def look(bench, update):
    with bench.device.active():
        return update.look()


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda made: made.name)
def test_the_same_bits(bench, optimizer):
    assert handles(optimizer)
    here = arrays(optimizer)
    sent = [bench.send(array) for array in here]
    update = made(bench, optimizer, sent)
    rates = [None, 0.1, 0.05, 0.1 / 3]
    for number, (last, rate) in enumerate(itertools.pairwise(rates)):
        step = Step(rate, t=number + 1, last_lr=last)
        bench.at(number=number, update=update_of(optimizer, step))
        run(bench, update)
        on_host(optimizer, *here, step=step)
    for got, want in zip(sent, here, strict=True):
        np.testing.assert_array_equal(bench.fetch(got), want)
    assert look(bench, update) is None


@pytest.mark.parametrize("optimizer", OPTIMIZERS[:6])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_nothing_is_updated_by_what_is_no_number(bench, optimizer, bad):
    here = arrays(optimizer)
    here[1][[8 + 5000, 8210]] = bad
    sent = [bench.send(array) for array in here]
    update = made(bench, optimizer, sent)
    bench.at(number=41)
    run(bench, update)
    mended = bench.send(np.where(np.isfinite(here[1]), here[1], 0))
    with bench.device.active():
        sent[1][...] = mended
    bench.at(number=42)
    run(bench, update)
    assert look(bench, update) == (41, 1)
    np.testing.assert_array_equal(bench.fetch(sent[0]), here[0])


def test_what_lies_between_is_left_alone(bench):
    optimizer = SGD(learning_rate=1.0)
    here = arrays(optimizer)
    here[1][[5, 6, 7, 8999]] = np.nan  # and is not looked at
    sent = [bench.send(array) for array in here]
    update = made(bench, optimizer, sent)
    run(bench, update)
    assert look(bench, update) is None
    after = bench.fetch(sent[0])
    assert (after[[5, 6, 7, 8999]] == here[0][[5, 6, 7, 8999]]).all() and (after[8:8000] != here[0][8:8000]).all()


def test_no_keys(bench):
    empty = bench.send(np.zeros(0, np.float32))
    update = bench.make(FlatUpdate, SGD(), [], empty, empty, {})
    run(bench, update)
    assert look(bench, update) is None


def test_every_optimizer_has_kernels():
    assert all(handles(made()) for made in KNOWN.values())


def test_other_optimizers_are_not_handled():
    class Own(SGD):
        pass

    assert not handles(Own())
