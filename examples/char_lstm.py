"""A character-level language model: an unrolled LSTM with its own training loop over mx.kv.

python examples/char_lstm.py
launch --workers 2 examples/char_lstm.py
python examples/char_lstm.py --text FILE --num-hidden 256 --num-layers 2 --sample 300

The text is cut into as many streams as a batch has rows. Each step reads the next piece of every stream, and the state
at the end of a piece is the state at the start of the next. Perplexity is exp of the mean negative log likelihood
of a character: 94 for guessing, and below 6.6 on the last tenth of the text, which is held out, after the default 8
epochs.
"""

import math
from pathlib import Path

import click
import numpy as np

import pushgrad as mx

TEXT = Path(__file__).parent / "data" / "prose.txt"


class Streams:
    """One worker's rows of a text that is cut into `rows` parallel streams, in pieces of seq_len characters.

    Iterating gives pairs of whole numbers, (rows here, seq_len) each: characters, and the ones that follow them.
    Raises UsageError if the text is too short.
    """

    def __init__(self, tokens, rows, seq_len):
        length = (len(tokens) - 1) // rows // seq_len * seq_len
        if length == 0:
            raise click.UsageError(f"a text of {len(tokens)} characters is too short for {rows} x {seq_len}")
        first, last = (rows * r // mx.num_workers() for r in (mx.rank(), mx.rank() + 1))
        starts = np.arange(first, last)[:, None] * length
        self.inputs, self.targets = (tokens[starts + np.arange(length) + shift] for shift in (0, 1))
        self.rows, self.seq_len = last - first, seq_len

    def __len__(self):
        return self.inputs.shape[1] // self.seq_len

    def __iter__(self):
        for start in range(0, self.inputs.shape[1], self.seq_len):
            piece = slice(start, start + self.seq_len)
            yield self.inputs[:, piece], self.targets[:, piece]


class Model:
    """The network, bound for this worker's rows; the state of its LSTM is kept from step to step."""

    def __init__(self, vocabulary, rows, seq_len, options):
        self.symbol = mx.models.lstm_unroll(vocabulary, seq_len=seq_len, **options)
        layers, hidden = options["num_layers"], options["num_hidden"]
        states = [f"l{i}_init_{kind}" for i in range(layers) for kind in "hc"]
        self.learned = [n for n in self.symbol.list_arguments() if n.endswith(("weight", "bias"))]
        self.executor = self.symbol.simple_bind(
            mx.cpu(),
            grad_req=dict.fromkeys(self.learned, "write"),
            data=(rows, seq_len),
            **dict.fromkeys(states, (rows, hidden)),
        )
        self.weights = [self.executor.arg_dict[name] for name in self.learned]
        self._states = [self.executor.arg_dict[name] for name in states]

    def forget(self):
        """Set the state to zero, as at the beginning of a text."""
        for state in self._states:
            state[:] = 0

    def read(self, tokens, targets=None):
        """Probabilities (rows, seq_len, characters) of the characters after `tokens` (rows, seq_len).

        The state moves on. With `targets` (rows, seq_len), gradients are computed as well.
        """
        if targets is None:
            found = self.executor.forward(data=tokens)
        else:
            found = self.executor.forward(is_train=True, data=tokens, softmax_label=targets)
            self.executor.backward()
        for state, last in zip(self._states, found[1:], strict=True):  # the outputs behind the probabilities
            state[:] = last
        return found[0]


class Job:
    """What the workers share: the weights, and sums over all workers."""

    def __init__(self, model, optimizer):
        # Two stores: with an optimizer a store updates by what is pushed, without one it keeps the sum.
        self.weights, self.sums = mx.kv.create("auto"), mx.kv.create("auto")
        self.weights.set_optimizer(optimizer)
        self.weights.init(model.learned, model.weights)
        self.sums.init("sums", np.zeros(2))
        self.weights.pull(model.learned, out=model.weights)

    def update(self, model):
        """One step of the optimizer with the gradients of all workers."""
        gradients = [model.executor.grad_dict[name] for name in model.learned]
        self.weights.pushpull(model.learned, gradients, out=model.weights)

    def perplexity(self, loss, count):
        """The perplexity over the whole job, from this worker's sum of -log p over `count` characters."""
        total = np.array([loss, count])
        self.sums.pushpull("sums", total)
        return math.exp(total[0] / total[1])


def epoch(model, streams, job, learn):
    """Read the text once, and learn from it if `learn`; returns the job's perplexity."""
    model.forget()
    loss = count = 0
    for tokens, targets in streams:
        probabilities = model.read(tokens, targets if learn else None)
        chosen = np.take_along_axis(probabilities, targets[:, :, None], axis=2)
        loss -= float(np.log(np.maximum(chosen, 1e-30)).sum())
        count += targets.size
        if learn:
            job.update(model)
    return job.perplexity(loss, count)


def write(model, characters, options, start, length, rng):
    """`start` and `length` more characters, each drawn from the model's probabilities."""
    one = Model(len(characters), 1, 1, options)  # the weights do not depend on seq_len
    one.executor.copy_params_from(dict(zip(model.learned, model.weights, strict=True)))
    one.forget()
    text = list(start)
    for index in range(len(start) + length - 1):
        expected = one.read(np.array([[characters.index(text[index])]]))[0, 0].astype(np.float64)
        if index + 1 == len(text):
            text.append(characters[rng.choice(len(characters), p=expected / expected.sum())])
    return "".join(text)


@click.command()
@click.option("--text", type=click.Path(exists=True, dir_okay=False), default=TEXT, show_default=True)
@click.option("--num-epochs", default=8, show_default=True)
@click.option("--batch-size", default=32, show_default=True, help="Streams over the whole job.")
@click.option("--seq-len", default=32, show_default=True, help="Characters that a gradient goes back over.")
@click.option("--num-hidden", default=128, show_default=True)
@click.option("--num-layers", default=1, show_default=True)
@click.option("--num-embed", default=32, show_default=True)
@click.option("--dropout", default=0.0, show_default=True)
@click.option("--learning-rate", default=3.0, help="At the start; it falls along a cosine.", show_default=True)
@click.option("--momentum", default=0.9, show_default=True)
@click.option("--limit", type=int, help="Read the first so many characters only.")
@click.option("--seed", default=0, show_default=True)
@click.option("--sample", default=0, help="Write so many characters in the end.")
def main(text, num_epochs, batch_size, seq_len, num_hidden, num_layers, num_embed, dropout, learning_rate, momentum,
         limit, seed, sample):  # fmt: skip
    """Learn to continue a text."""
    text = Path(text).read_text(encoding="utf-8")[:limit]
    characters = sorted(set(text))
    tokens = np.searchsorted(characters, list(text))
    cut = len(tokens) * 9 // 10
    train, unseen = (Streams(part, batch_size, seq_len) for part in (tokens[:cut], tokens[cut:]))
    options = {"num_layers": num_layers, "num_hidden": num_hidden, "num_embed": num_embed, "dropout": dropout}
    mx.random.seed(seed)
    model, draw = Model(len(characters), train.rows, seq_len, options), mx.init.Xavier()
    for name, weight in zip(model.learned, model.weights, strict=True):
        weight[:] = draw(name, weight.shape)
    optimizer = mx.optimizer.create(
        "sgd",
        learning_rate=learning_rate,
        lr_scheduler=mx.lr_scheduler.CosineScheduler(num_epochs * len(train), base_lr=learning_rate),
        momentum=momentum,
        clip_gradient=0.1,
        rescale_grad=1 / (batch_size * seq_len),
    )
    job = Job(model, optimizer)
    for number in range(1, num_epochs + 1):
        seen, held_out = epoch(model, train, job, learn=True), epoch(model, unseen, job, learn=False)
        if mx.rank() == 0:
            print(f"[{number}] Train-perplexity={seen:.15g} Validation-perplexity={held_out:.15g}", flush=True)
    job.weights.close()
    job.sums.close()
    if sample and mx.rank() == 0:
        print(write(model, characters, options, text[:20], sample, np.random.default_rng(seed)))


if __name__ == "__main__":
    main()
