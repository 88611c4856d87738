"""Data iterators, readers of data files, and checks of the arrays that users pass."""
