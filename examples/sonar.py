"""Two classes from 60 sonar readings: mx.mlp, as in the article "mxnet: deep learning with R and GPUs" (2016).

python examples/sonar.py
launch --workers 2 examples/sonar.py
"""

import numpy as np
from r_iterator import RArrayIter
from tables import sonar

import pushgrad as mx

X, y = sonar()
# The article's rows, in R 1:50 and 100:150, train; the others are the test.
train = np.r_[0:50, 99:150]
test = np.setdiff1d(np.arange(len(X)), train)

mx.random.seed(0)
model = mx.mlp(
    RArrayIter(X[train], y[train], batch_size=15),
    None,
    hidden_node=10,
    out_node=2,
    out_activation="softmax",
    num_epoch=20,
    learning_rate=0.07,
    momentum=0.9,
    initializer=mx.init.Uniform(0.01),  # R's default
    eval_metric="accuracy",
)

# The article's table of predictions (rows) against the truth (columns).
predicted = model.predict(X[test]).argmax(axis=1)
if mx.rank() == 0:
    print("          test.y")
    print("pred.label  0  1")
    for label in (0, 1):
        counts = [int(np.sum((predicted == label) & (y[test] == truth))) for truth in (0, 1)]
        print(f"         {label} {counts[0]:2d} {counts[1]:2d}", flush=True)
