"""Data iterators, readers of data files, and what is done to arrays that users hand in."""
