"""Training steps on NVIDIA GPUs. Nothing here is imported before a GPU is asked for."""
