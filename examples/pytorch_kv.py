"""A PyTorch network whose parameters live on our servers: gradients are pushed and weights pulled through DLPack.

python examples/pytorch_kv.py
launch --workers 2 examples/pytorch_kv.py          the same numbers, each worker with half of every batch
python examples/pytorch_kv.py --plain              torch.optim.SGD alone, for comparison
launch --workers 2 --snapshot 5s --resume auto examples/pytorch_kv.py      resumes if it was killed

Needs torch (pip install torch), which pushgrad itself does not need.
"""

from pathlib import Path

import click
import torch
from digits import load

import pushgrad as mx

EMBEDDED = Path(__file__).parent / "data" / "mnist"


def network():
    """A perceptron of 784-64-10: (N, 1, 28, 28) -> logits (N, 10). Every process starts from the same weights."""
    torch.manual_seed(0)
    layers = torch.nn.Flatten(), torch.nn.Linear(784, 64), torch.nn.Tanh(), torch.nn.Linear(64, 10)
    return torch.nn.Sequential(*layers)


class Served:
    """Has the servers update `parameters` (name -> tensor) with the gradients that backward left.

    `done` is how many steps there have been, also before a kill from which this goes on.
    """

    def __init__(self, parameters, learning_rate, momentum):
        self.kv = mx.kv.create("auto")
        self.kv.set_optimizer(mx.optimizer.create("sgd", learning_rate=learning_rate, momentum=momentum))
        self.names, self.parameters = list(parameters), list(parameters.values())
        # Detached tensors share the parameters' memory, so that pulling into them updates the network.
        self.weights = [parameter.detach() for parameter in self.parameters]
        self.kv.init(self.names, self.weights)
        self.done, _ = self.kv.restore() or (0, None)
        self.kv.pull(self.names, out=self.weights)

    def step(self):
        self.kv.push(self.names, [parameter.grad for parameter in self.parameters])
        self.kv.pull(self.names, out=self.weights)
        self.done += 1
        # The weights and momentum are on the servers. What else a script needs goes into `extra`, such as the state of
        # torch's random numbers, torch.get_rng_state().numpy(), if it uses them.
        self.kv.snapshot(self.done)


@click.command()
@click.option("--data", type=click.Path(exists=True, file_okay=False), default=EMBEDDED, show_default=True)
@click.option("--plain", is_flag=True, help="Let torch.optim.SGD do the updates.")
@click.option("--steps", default=100, show_default=True)
@click.option("--batch-size", default=100, show_default=True, help="Examples per step over the whole job.")
@click.option("--learning-rate", default=0.1, show_default=True)
@click.option("--momentum", default=0.9, show_default=True)
@click.option("--save", type=click.Path(dir_okay=False), help="Write the trained parameters (torch.save).")
def main(data, plain, steps, batch_size, learning_rate, momentum, save):
    """Train a small perceptron on handwritten digits."""
    digits = load(data)
    images, labels = torch.from_numpy(digits.train_images), torch.from_numpy(digits.train_labels).long()
    net, done = network(), 0
    if plain:
        optimizer = torch.optim.SGD(net.parameters(), lr=learning_rate, momentum=momentum)
    else:
        optimizer = Served(dict(net.named_parameters()), learning_rate, momentum)
        done = optimizer.done
    first, last = (batch_size * (mx.rank() + i) // mx.num_workers() for i in range(2))  # this worker's share
    for n in range(done, steps):
        here = torch.arange(n * batch_size + first, n * batch_size + last) % len(images)
        net.zero_grad()
        # A sum over the share, divided by the whole batch: the servers add up the workers' gradients.
        loss = torch.nn.functional.cross_entropy(net(images[here]), labels[here], reduction="sum") / batch_size
        loss.backward()
        optimizer.step()
    if mx.rank() == 0:
        right = net(torch.from_numpy(digits.test_images)).argmax(1) == torch.from_numpy(digits.test_labels)
        print(f"Test-accuracy={right.float().mean().item():.4f}")
        if save:
            torch.save(net.state_dict(), save)


if __name__ == "__main__":
    main()
