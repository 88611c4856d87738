"""Which devices there are, and which nodes of a graph run where."""
