"""Which kernels compute an operator's forward and backward on a GPU; their sources are in ../source."""
