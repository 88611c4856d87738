"""Which devices there are, and how they share the rows of a batch."""
