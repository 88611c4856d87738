"""`mx.sym`: graphs that users compose, with operators by MXNet's names."""
