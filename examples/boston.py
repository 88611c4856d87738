"""House prices by linear regression: a user's own network, three trainings in one script, a custom metric.

python examples/boston.py
launch --workers 2 examples/boston.py
"""

import numpy as np
from r_iterator import RArrayIter
from tables import boston_housing

import pushgrad as mx

X, y = boston_housing()
# Every third row, from the first on, as the article's R code has it.
train = np.arange(0, len(X), 3)
test = np.setdiff1d(np.arange(len(X)), train)

data = mx.symbol.Variable("data")
fc1 = mx.symbol.FullyConnected(data, num_hidden=1)
lro = mx.symbol.LinearRegressionOutput(fc1)


def fit(metric):
    """Train as in the article, and report that metric."""
    mx.random.seed(0)  # so that each of the three trainings starts from the same weights
    return mx.FeedForward.create(
        lro,
        RArrayIter(X[train], y[train], batch_size=20),
        ctx=mx.cpu(),
        num_epoch=50,
        learning_rate=2e-6,
        momentum=0.9,
        initializer=mx.init.Uniform(0.01),  # R's default
        eval_metric=metric,
    )


def mean_absolute_error(label, pred):
    """What mx.metric.create("mae") computes, written by hand: label and pred (rows,) -> a number."""
    return np.mean(np.abs(label - pred))


model = fit("rmse")
fit("mae")
fit(mx.metric.custom("my-mae", mean_absolute_error))

rmse = np.sqrt(np.mean((model.predict(X[test])[:, 0] - y[test]) ** 2))
if mx.rank() == 0:  # under launch every worker runs this script
    print(f"test rmse {rmse:.6g}", flush=True)
