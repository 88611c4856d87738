"""Graphs of operators: nodes, names, shapes, and their JSON.

Nothing here computes: only `batch_norm_folding` and `old_models` touch arrays, to convert a model's parameters.
"""
