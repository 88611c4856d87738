"""Operators, one file per family; importing this package registers them all."""

from . import activation as activation
from . import concat as concat
from . import convolution as convolution
from . import dropout as dropout
from . import elementwise as elementwise
from . import fully_connected as fully_connected
from . import pooling as pooling
from . import regression_output as regression_output
from . import reshape as reshape
from . import scalar as scalar
from . import softmax_output as softmax_output
from . import view as view
