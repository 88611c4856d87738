import numpy as np
import pytest

from pushgrad.common.errors import ParameterError
from pushgrad.ps import optimizer as public
from pushgrad.ps.optimizer import SGD, create, from_description
from pushgrad.ps.optimizers.momentum import AddScaled


def test_the_description_makes_an_equal_optimizer():
    sgd = SGD(learning_rate=0.3, momentum=0.9, wd=1e-5, rescale_grad=0.01, clip_gradient=2.0)
    description = sgd.description()
    assert description == {
        "name": "sgd",
        "momentum": 0.9,
        "wd": 1e-5,
        "rescale_grad": 0.01,
        "clip_gradient": 2.0,
    }
    assert from_description(description).description() == description
    assert sgd.state_names == ("mom",)
    assert SGD().state_names == ()


def test_the_rate_is_the_schedule_s_which_counts_from_one():
    class Schedule:
        base_lr = 0.0

        def __call__(self, num_update):
            return self.base_lr / num_update

    assert SGD(learning_rate=0.5).rate(100) == 0.5
    assert [SGD(learning_rate=0.6, lr_scheduler=Schedule()).rate(t) for t in range(3)] == [0.6, 0.3, 0.6 / 3]


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: create("sdg"), "no optimizer 'sdg'. Did you mean sgd?"),
        (lambda: create("adamw9"), "no optimizer 'adamw9'. Did you mean adamw?"),
        (lambda: create("tests"), "no optimizer 'tests'; known: adadelta"),
        (lambda: create("sgd", qqq=1), "no parameter qqq; known: begin_num_update, clip_gradient"),
        (lambda: create("sgd", momentun=0.9), "no parameter momentun. Did you mean momentum?"),
        (lambda: create("sgd", momentum=-1), "momentum: expected a number of at least 0, got -1"),
        (lambda: create("sgd", wd="x"), "wd: expected a number of at least 0, got 'x'"),
        (lambda: create("sgd", wd=float("nan")), "wd"),
        (lambda: create("sgd", clip_gradient=float("inf")), "clip_gradient"),
        (lambda: create(SGD(), momentum=1), "takes no more parameters"),
        (lambda: from_description({}), "no optimizer None"),
        (lambda: from_description({"name": "sgd", "learning_rate": 1}), "no learning_rate in a description"),
        (lambda: from_description({"name": "sgd", "lr_scheduler": "x"}), "no lr_scheduler in a description"),
        (lambda: from_description({"name": "sgd", "momentum": None}), "momentum"),
        (lambda: from_description({"name": "sgd", "wd": True}), "wd"),
    ],
)
def test_what_is_wrong_is_named(call, text):
    with pytest.raises(ParameterError) as caught:
        call()
    assert text in str(caught.value)


def test_the_optimizer_of_mxnets_conformance_test_is_made_by_its_name_and_offered_nowhere():
    made = create("test", rescale_grad=2)
    assert isinstance(made, AddScaled)
    assert made.description() == {"name": "test", "rescale_grad": 2.0}
    assert from_description(made.description()).description() == made.description()
    assert not hasattr(public, "Test")
    assert "AddScaled" not in public.__all__


def test_names_are_found_in_any_case_and_objects_pass_through():
    sgd = create("SGD", learning_rate=np.float32(0.5))
    assert isinstance(sgd, SGD)
    assert create(sgd) is sgd
