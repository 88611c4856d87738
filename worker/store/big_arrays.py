"""From which size on a key is split over the servers."""

from __future__ import annotations

import os

from ...common.checks import whole_number_in
from ...common.errors import JobError
from ...ps.assignment import BIG_ARRAY


def big_array_bound() -> int:
    """MXNET_KVSTORE_BIGARRAY_BOUND: keys of more elements than that are split over the servers.

    Raises JobError if it is set to anything else.
    """
    text = os.environ.get("MXNET_KVSTORE_BIGARRAY_BOUND", "")
    if not text:
        return BIG_ARRAY
    number = whole_number_in(text, 1)
    if number is None:
        raise JobError("MXNET_KVSTORE_BIGARRAY_BOUND", expected="a whole number of at least 1", got=repr(text))
    return number
