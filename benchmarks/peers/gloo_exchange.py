"""All-reduce of all keys by two processes over gloo; nothing is updated."""

import torch
from torch import distributed
from turns import take_turns, task

todo = task()
distributed.init_process_group("gloo")
gradients = [torch.full((todo.elements,), 1e-3) for _ in range(todo.keys)]


def work():
    for _ in range(todo.steps):
        for handle in [distributed.all_reduce(gradient, async_op=True) for gradient in gradients]:
            handle.wait()


take_turns(f"torch {torch.__version__}", work)
distributed.destroy_process_group()
