"""Executors on NVIDIA GPUs. Nothing here is imported before a GPU is asked for.

A Replica is one GPU's part of a network, and Replicas are those of all GPUs of a worker. Two executors stand on them:
CudaExecutor with arrays on one GPU, HostedExecutor with arrays in host memory; both run RecordedSteps.
"""
