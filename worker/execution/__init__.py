"""From a graph and arrays to outputs and gradients: plans, buffers, threads and executors.

`bound_arrays` checks or makes the arrays, and `batch_cuts` tells how their batch may be cut into slices; `fusion`,
`backward_plan` and `buffers` decide what is computed together, in which order and in which memory; `program` lays a
graph out for one slice, or for several that `slice_groups` puts together. `slice_threads`, `slice_sums` and
`whole_batch_nodes` let programs work together, and `executor` is what users hold. `gpu/` does the same there.
"""
