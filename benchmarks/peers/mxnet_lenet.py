"""LeNet in MXNet 1.9.1, through its Module."""

import sys

import mxnet as mx
from turns import digits, take_turns

if sys.argv[1] == "--version":
    print(f"mxnet {mx.__version__}")
    sys.exit()

X, y = digits(sys.argv[1], int(sys.argv[2]))
layer = mx.sym.Variable("data")
for filters in (20, 50):
    layer = mx.sym.Activation(mx.sym.Convolution(layer, kernel=(5, 5), num_filter=filters), act_type="tanh")
    layer = mx.sym.Pooling(layer, pool_type="max", kernel=(2, 2), stride=(2, 2))
layer = mx.sym.Activation(mx.sym.FullyConnected(mx.sym.Flatten(layer), num_hidden=500), act_type="tanh")
symbol = mx.sym.SoftmaxOutput(mx.sym.FullyConnected(layer, num_hidden=10), name="softmax")

data = mx.io.NDArrayIter(X, y, 100, shuffle=True)
module = mx.mod.Module(symbol)
module.bind(data.provide_data, data.provide_label)
module.init_params(mx.init.Uniform(0.01))
module.init_optimizer("local", "sgd", (("learning_rate", 0.05), ("momentum", 0.9), ("wd", 1e-5)))
accuracy = mx.metric.Accuracy()


def epoch():
    data.reset()
    accuracy.reset()
    for batch in data:
        module.forward_backward(batch)
        module.update()
        module.update_metric(accuracy, batch.label)
    return accuracy.get()


take_turns(epoch)
