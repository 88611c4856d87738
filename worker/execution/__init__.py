"""From a graph and arrays to outputs and gradients: plans, buffers, threads and executors."""
