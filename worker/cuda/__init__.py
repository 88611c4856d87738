"""Devices, libraries and kernels of NVIDIA GPUs, with cupy as the array module.

`device` has streams, memory and compiled sources, `registry` says which kernel stands in for which operator, `kernels`
holds these and `source` their CUDA C. Nothing here is imported before a GPU is asked for.
"""
