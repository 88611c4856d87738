"""One module per family of optimizers; ps/optimizer.py makes them by name."""
