"""From before `import torch` to the end of LeNet's first training step, eager; prints the seconds as JSON."""

import time

started = time.perf_counter()

import json  # noqa: E402
import sys  # noqa: E402

import numpy as np  # noqa: E402
import torch  # noqa: E402
from torch_networks import lenet  # noqa: E402

device = "cuda" if sys.argv[1] == "gpu" else "cpu"
rng = np.random.default_rng(0)
X = torch.from_numpy(rng.random((100, 1, 28, 28), np.float32)).to(device)
y = torch.from_numpy(rng.integers(0, 10, 100)).to(device)
network = lenet().to(device)
optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9, fused=True)
torch.nn.functional.cross_entropy(network(X), y).backward()
optimizer.step()
weights = {name: weight.cpu() for name, weight in network.state_dict().items()}
print(json.dumps({"seconds": time.perf_counter() - started, "versions": {"torch": torch.__version__}}))
