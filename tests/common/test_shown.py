"""Schedulers and callbacks show the call that makes them; misspelt names get a suggestion."""

import pytest

import pushgrad as mx
from pushgrad.common.errors import ParameterError
from pushgrad.worker.context import as_list


class Own(mx.lr_scheduler.LRScheduler):
    def __init__(self, hidden, **options):
        super().__init__(**options)
        self._kept = hidden


@pytest.mark.parametrize(
    ("made", "text"),
    [
        (mx.lr_scheduler.FactorScheduler(9, 0.5, base_lr=0.1), "FactorScheduler(step=9, factor=0.5, base_lr=0.1)"),
        (mx.callback.Speedometer(128), "Speedometer(batch_size=128)"),
        (mx.callback.EarlyStopping(patience=4), "EarlyStopping(patience=4)"),
        (mx.callback.SaveBest("net/best"), "SaveBest(prefix='net/best')"),
        (mx.callback.do_checkpoint("net"), "do_checkpoint(prefix='net')"),
        (Own(3), "Own()"),
    ],
)
def test_what_is_shown(made, text):
    assert repr(made) == text


def test_the_file_of_a_logger(tmp_path):
    assert repr(mx.callback.CSVLogger("log.csv", append=True)).endswith("Path('log.csv'), append=True)")


def test_a_plot():
    plot = mx.viz.plot_network(mx.models.lenet(), title="lenet")
    assert repr(plot) == "<NetworkPlot lenet: 13 boxes; a notebook draws it, save() writes it>"


@pytest.mark.parametrize(
    ("wrong", "error", "said"),
    [
        (lambda: mx.optmizer, AttributeError, "Did you mean optimizer?"),
        (lambda: mx.models.resnt, AttributeError, "mx.models has no network resnt. Did you mean resnet?"),
        (lambda: as_list("gpu(1)"), ParameterError, "Write ctx=mx.gpu(1)"),
        (lambda: as_list("gpu"), ParameterError, "Write ctx=mx.gpu()"),
        (lambda: mx.init.create("xaver"), ParameterError, "got 'xaver'. Did you mean xavier?"),
        (lambda: mx.kv.create("dist_snc"), ParameterError, "got 'dist_snc'. Did you mean dist_sync?"),
        (lambda: mx.metric.create("accurcy"), ParameterError, "got 'accurcy'. Did you mean accuracy?"),
    ],
)
def test_names_that_are_misspelt(wrong, error, said):
    with pytest.raises(error) as found:
        wrong()
    assert said in str(found.value)
