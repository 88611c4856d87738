"""The parameter server: a store of keyed arrays, its optimizers, and the processes that serve them."""
