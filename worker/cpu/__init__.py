"""Compiled CPU kernels for float32; each agrees with the plain version of its operator in worker/ops.

A kernel class has the two methods of an operator (see ops/kernel.py) and takes the same arrays: C order, one slice of
the batch along the first axis. `registry` says which kernel stands in for which operator.
"""
