"""Graphs of operators: nodes, names, shapes, and their JSON.

Nothing here computes: only `old_models` touches arrays, to convert a model's parameters.
"""
