"""From a graph and arrays to outputs and gradients: plans, buffers, threads and executors.

`bound_arrays` checks or makes the arrays, and `batch_cuts` tells how their batch may be cut into slices; `fusion`,
`backward_plan` and `buffers` decide what is computed together, in which order and in which memory, and `outline` keeps
that for all slices; `program` lays a graph out for one slice, or for several that `slice_groups` puts together.
`slice_sums` adds up what programs deliver, and `whole_batch_nodes` computes what needs all slices. `stretches` arranges
their passes for `table_walk`, which runs them side by side, as `slice_threads` does without tables; `shared_forward`
runs a lone program on several threads. `executor` is what users hold. `gpu/` does the same on GPUs.
"""
