"""Executors, kernels and trainings on NVIDIA GPUs, with cupy as the array module. Nothing here is imported
before a GPU is asked for.
"""
