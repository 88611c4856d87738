"""Profiling: recording spans of time while a step runs, and showing where the time goes."""
