"""Small trainings of several kinds, for jobs whose processes are killed.

python kinds_of_training.py '["adam", 0.05]'   kind, and seconds to pause after each step
"""

import json
import sys
import time
import zlib

import numpy as np

import pushgrad as mx

s = mx.symbol


def fit(data, net, pause, **options):
    """Train for some epochs, telling now and then how it goes, and at the end what came of it."""
    model = mx.FeedForward.create(
        net,
        data,
        num_epoch=6,
        slices=4,
        initializer=mx.init.Uniform(0.2),
        batch_end_callback=[mx.callback.log_train_metric(2), lambda param: time.sleep(pause)],
        **options,
    )
    tell_end(model.arg_params, model.optimizer_states)


def tell_end(weights, states):
    """Print a checksum of these arrays by name, and of the optimizer's states of each."""
    arrays = [weights[name] for name in sorted(weights)]
    arrays += [slots[state] for _, slots in sorted(states.items()) for state in sorted(slots)]
    print("the end", zlib.crc32(b"".join(array.tobytes() for array in arrays)), flush=True)


def adam(pause):
    """Adam, a schedule of the learning rate, and rows in an order of their own in each epoch."""
    draw = np.random.default_rng(5)
    X, y = draw.random((96, 20), np.float32), draw.integers(0, 3, 96).astype(np.float32)
    layer = s.Activation(s.FullyConnected(s.Variable("data"), num_hidden=16), act_type="tanh")
    net = s.SoftmaxOutput(s.FullyConnected(layer, num_hidden=3), name="softmax")
    schedule = mx.lr_scheduler.FactorScheduler(10, 0.8)
    fit(mx.io.NDArrayIter(X, y, 12, True), net, pause, optimizer="adam", learning_rate=0.01, lr_scheduler=schedule)


def pictures(pause):
    """Pictures of few.rec that are cropped, turned and mirrored by chance, each worker its part of them."""
    part = {"num_parts": mx.num_workers(), "part_index": mx.rank()}
    changes = {"shuffle": True, "rand_crop": True, "rand_mirror": True, "max_rotate_angle": 10}
    data = mx.io.ImageRecordIter("few.rec", (3, 12, 12), 6, **changes, **part)
    layer = s.Activation(s.Convolution(s.Variable("data"), kernel=(3, 3), num_filter=4), act_type="relu")
    net = s.SoftmaxOutput(s.FullyConnected(s.Flatten(layer), num_hidden=2), name="softmax")
    fit(data, net, pause, learning_rate=0.001, momentum=0.9)


class Lstm:
    """An LSTM for `rows` rows of texts of `length` characters, with the state that it has come to."""

    def __init__(self, rows, length):
        net = mx.models.lstm_unroll(7, seq_len=length, num_layers=1, num_hidden=8, num_embed=4, dropout=0.0)
        self.names = [name for name in net.list_arguments() if name.endswith(("weight", "bias"))]
        shapes = {"data": (rows, length), "l0_init_h": (rows, 8), "l0_init_c": (rows, 8)}
        self.bound = net.simple_bind(mx.cpu(), grad_req=dict.fromkeys(self.names, "write"), **shapes)
        self.weights = [self.bound.arg_dict[name] for name in self.names]
        for name, weight in zip(self.names, self.weights, strict=True):
            weight[:] = mx.init.Uniform(0.2)(name, weight.shape)
        self.states = [self.bound.arg_dict[f"l0_init_{kind}"] for kind in "hc"]

    def set_states(self, values):
        """Take these for what the LSTM remembers."""
        for state, value in zip(self.states, values, strict=True):
            state[:] = value

    def learn(self, now, then):
        """Gradients from characters and those that follow them; gives the loss."""
        chances, *last = self.bound.forward(is_train=True, data=now, softmax_label=then)
        loss = -float(np.log(np.take_along_axis(chances, then[:, :, None], 2)).sum())
        self.bound.backward()
        self.set_states(last)
        return loss


def lstm(pause):
    """A loop of its own over mx.kv. Each worker carries the states of its rows from piece to piece of a text, and
    forgets them when the text begins again.
    """
    rows, pieces, length = 3, 8, 5
    first = rows * mx.rank()
    text = np.random.default_rng(5).integers(0, 7, (2 * rows, pieces * length + 1))[first : first + rows]
    net = Lstm(rows, length)
    kv = mx.kv.create("auto")
    kv.set_optimizer(mx.optimizer.create("sgd", learning_rate=0.02, momentum=0.9))
    kv.init(net.names, net.weights)
    done, kept = kv.restore() or (0, {"states": net.states, "loss": 0.0})
    loss = kept["loss"]
    net.set_states(kept["states"])
    kv.pull(net.names, out=net.weights)
    for step in range(done, 6 * pieces):
        at = step % pieces * length
        if at == 0:
            net.set_states([0, 0])
        loss += net.learn(text[:, at : at + length], text[:, at + 1 : at + length + 1])
        kv.pushpull(net.names, [net.bound.grad_dict[name] for name in net.names], out=net.weights)
        if step % 5 == 4:
            print("step", step, "loss", loss, flush=True)
        kv.snapshot(step + 1, extra={"states": net.states, "loss": loss})
        time.sleep(pause)
    tell_end(dict(zip(net.names, net.weights, strict=True)), dict(zip(net.names, kv.states(net.names), strict=True)))
    kv.close()


def main(kind, pause):
    """Train."""
    mx.random.seed(3)
    {"adam": adam, "pictures": pictures, "lstm": lstm}[kind](pause)


if __name__ == "__main__":
    main(*json.loads(sys.argv[1]))
