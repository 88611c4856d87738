"""LeNet in MXNet 1.9.1, through its Module; with DMLC_ROLE, as one process of a job with dist_sync."""

import os

import mxnet as mx  # serves until the job ends, where DMLC_ROLE is server or scheduler
from data import examples
from turns import take_turns, task

todo = task()
kind = "dist_sync" if "DMLC_ROLE" in os.environ else "local"
store = mx.kv.create(kind)
layer = mx.sym.Variable("data")
for filters in (20, 50):
    layer = mx.sym.Activation(mx.sym.Convolution(layer, kernel=(5, 5), num_filter=filters), act_type="tanh")
    layer = mx.sym.Pooling(layer, pool_type="max", kernel=(2, 2), stride=(2, 2))
layer = mx.sym.Activation(mx.sym.FullyConnected(mx.sym.Flatten(layer), num_hidden=500), act_type="tanh")
symbol = mx.sym.SoftmaxOutput(mx.sym.FullyConnected(layer, num_hidden=10), name="softmax")

images, labels = (array[store.rank :: store.num_workers] for array in examples(todo))
data = mx.io.NDArrayIter(images, labels, todo.batch // store.num_workers, shuffle=True)
module = mx.mod.Module(symbol)
module.bind(data.provide_data, data.provide_label)
module.init_params(mx.init.Xavier())
module.init_optimizer(store, "sgd", (("learning_rate", 0.01), ("momentum", 0.9), ("wd", 1e-5)))
accuracy = mx.metric.Accuracy()


def epoch():
    data.reset()
    accuracy.reset()
    for batch in data:
        module.forward_backward(batch)
        module.update()
        module.update_metric(accuracy, batch.label)
    mx.nd.waitall()


take_turns(f"mxnet {mx.__version__}", epoch)
