"""Graphs of operators: nodes, names, shapes, and their JSON. No executor is known here."""
