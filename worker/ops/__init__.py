"""Operators, one file per family; importing this package registers them all."""

from . import activation as activation
from . import axes as axes
from . import batch_norm as batch_norm
from . import broadcast as broadcast
from . import clip as clip
from . import concat as concat
from . import convolution as convolution
from . import dropout as dropout
from . import element_wise_sum as element_wise_sum
from . import elementwise as elementwise
from . import embedding as embedding
from . import fully_connected as fully_connected
from . import pooling as pooling
from . import reduction as reduction
from . import regression_output as regression_output
from . import reshape as reshape
from . import scalar as scalar
from . import slice_channel as slice_channel
from . import softmax_output as softmax_output
from . import unary as unary
from . import view as view
