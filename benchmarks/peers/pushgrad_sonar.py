"""A script that trains mx.mlp on Sonar, whole but for its imports."""

from data import sonar
from turns import take_turns, task

import pushgrad as mx

X, y = sonar(task().data)


def script():
    mx.random.seed(0)
    model = mx.mlp(
        X, y, hidden_node=10, out_node=2, out_activation="softmax", num_epoch=20, batch_size=15,
        learning_rate=0.07, momentum=0.9, eval_metric="accuracy", verbose=False,
    )  # fmt: skip
    return model.predict(X).argmax(axis=1)


take_turns(f"pushgrad {mx.__version__}", script)
