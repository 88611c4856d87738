"""The training side: symbols, operators, executors, iterators, metrics and the key-value client."""
