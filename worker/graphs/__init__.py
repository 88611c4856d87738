"""Graphs of operators: nodes, names, shapes, and their JSON. Knows no arrays and no executor."""
