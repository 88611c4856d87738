"""Classes that compute an operator's forward and backward on a GPU by launching kernels of ../source, or libraries.

They take the arrays of the operator, in the GPU's memory: float32 in C order, or "with channels last". The latter have
the shape (N, C, H, W) as well, but lie in memory as (N, H, W, C), in the type of the step's precision: 16 bits, which
cupy sees as uint16, or float32. That is what tensor cores read. Kernels are made while the device is active; they keep
the memory that they need, as a captured graph goes on using it.
"""
