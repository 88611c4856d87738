"""Operators, one file per family; importing this package registers them all.

operator.py has the base class and the registry, parameters.py the types of parameters, shapes.py the arithmetic on
partly known shapes. docs/add-an-operator.md says how to write another.
"""

from . import activation as activation
from . import argmax as argmax
from . import axes as axes
from . import batch_norm as batch_norm
from . import broadcast as broadcast
from . import cast as cast
from . import clip as clip
from . import concat as concat
from . import constants as constants
from . import convolution as convolution
from . import crop as crop
from . import custom as custom
from . import deconvolution as deconvolution
from . import dropout as dropout
from . import element_wise_sum as element_wise_sum
from . import elementwise as elementwise
from . import embedding as embedding
from . import fully_connected as fully_connected
from . import indexing as indexing
from . import instance_norm as instance_norm
from . import l2_normalization as l2_normalization
from . import leaky_relu as leaky_relu
from . import lrn as lrn
from . import make_loss as make_loss
from . import matrix as matrix
from . import pad as pad
from . import pairs as pairs
from . import pooling as pooling
from . import reduction as reduction
from . import regression_output as regression_output
from . import reshape as reshape
from . import rnn as rnn
from . import roi_pooling as roi_pooling
from . import scalar as scalar
from . import sequence as sequence
from . import slice_channel as slice_channel
from . import slicing as slicing
from . import smooth_l1 as smooth_l1
from . import softmax as softmax
from . import softmax_activation as softmax_activation
from . import softmax_output as softmax_output
from . import stack as stack
from . import stretch as stretch
from . import svm_output as svm_output
from . import unary as unary
from . import upsampling as upsampling
from . import view as view
