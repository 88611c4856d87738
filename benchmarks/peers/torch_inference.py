"""Outputs of a network in PyTorch, under inference_mode: eager or channels_last."""

import torch
from data import examples
from torch_networks import build
from turns import take_turns, task

todo = task()
network, layout = build(todo)
network.eval()
X = torch.from_numpy(examples(todo)[0]).to(memory_format=layout)


@torch.inference_mode()
def predict():
    return torch.cat([network(batch).softmax(1) for batch in X.split(todo.batch)])


take_turns(f"torch {torch.__version__}", predict)
