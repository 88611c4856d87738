"""Training in PyTorch on a GPU: eager, in channels_last, or each step as one CUDA graph.

The examples lie on the device. A turn is `epochs` epochs of one training, or, with `whole`, all of a training: upload,
network, capture, and epochs. Nothing waits for the device between the steps.
"""

import torch
from gpu_turns import gpu_data, take_turns
from torch_gpu_networks import build
from turns import task

todo = task()
GPU = todo.on == "gpu"
DEVICE = torch.device("cuda" if GPU else "cpu")
torch.manual_seed(0)
WARM_UP = 3  # steps before a capture: cuDNN has chosen, the optimizer has its momenta
torch.backends.cudnn.benchmark = True
torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = todo.precision == "tf32"


def synchronize():
    if GPU:
        torch.cuda.synchronize()


class Training:
    """A network on the device, its examples beside it, and the step that trains it."""

    def __init__(self, images, labels):
        network, layout = build(todo.network, todo.mode)
        self.network = network.to(DEVICE)
        self.X, self.y = images.to(DEVICE).to(memory_format=layout), labels.to(DEVICE)
        self.optimizer = torch.optim.SGD(
            self.network.parameters(), lr=todo.rate, momentum=0.9, weight_decay=1e-5, fused=True
        )
        self.scaler = torch.amp.GradScaler("cuda", enabled=todo.precision == "float16")
        self.correct = torch.zeros((), dtype=torch.long, device=DEVICE)
        self.order, self.at = torch.arange(len(self.X), device=DEVICE), torch.zeros(1, dtype=torch.long, device=DEVICE)
        self.lane = torch.arange(todo.batch, device=DEVICE)
        self.graph = self._capture() if todo.mode == "graph" and GPU else None

    def epoch(self):
        """An update and the accuracy of each batch, in an order of its own where the task shuffles."""
        if todo.shuffle:
            self.order.copy_(torch.randperm(len(self.X), device=DEVICE))
        self.at.zero_()
        for first in range(0, len(self.X), todo.batch):
            if self.graph:
                self.graph.replay()
            else:
                self._step(*self._batch(first))

    def accuracy(self):
        """Of the learned network, on all examples."""
        self.network.eval()
        with torch.inference_mode():
            parts = zip(self.X.split(1000), self.y.split(1000), strict=True)
            return sum(int((self.network(X).argmax(1) == y).sum()) for X, y in parts) / len(self.X)

    def _batch(self, first):
        if not todo.shuffle:
            return self.X[first : first + todo.batch], self.y[first : first + todo.batch]
        rows = self.order[first : first + todo.batch]
        return self.X.index_select(0, rows), self.y.index_select(0, rows)

    def _next_batch(self):
        """The same, but found from counters on the device, as a graph has to."""
        rows = self.order.index_select(0, self.at + self.lane)
        self.at += todo.batch
        return self.X.index_select(0, rows), self.y.index_select(0, rows)

    def _step(self, data, label):
        self.optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cuda", torch.float16, enabled=todo.precision == "float16"):
            output = self.network(data)
            loss = torch.nn.functional.cross_entropy(output, label)
        self.scaler.scale(loss).backward()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.correct += (output.detach().argmax(1) == label).sum()

    def _capture(self):
        """One step as a graph; without gradients at its beginning, so that backward writes them and adds nothing."""
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(WARM_UP):
                self._step(*self._next_batch())
        torch.cuda.current_stream().wait_stream(side)
        self.optimizer.zero_grad(set_to_none=True)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self._step(*self._next_batch())
        return graph


images, labels = gpu_data(todo)
images, labels = torch.from_numpy(images), torch.from_numpy(labels).long()


def train():
    """A training from arrays in host memory to its last update."""
    training = Training(images, labels)
    for _ in range(todo.epochs):
        training.epoch()
    synchronize()
    return training


training = train()
facts = {"versions": {"torch": torch.__version__, "torch's cuda": torch.version.cuda}}
if todo.whole:
    facts["accuracy"] = training.accuracy()
    del training


def work():
    if todo.whole:
        train()
        return
    for _ in range(todo.epochs):
        training.epoch()
    synchronize()


take_turns(facts, work)
