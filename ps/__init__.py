"""The parameter server: a store of keyed arrays, its optimizers, and the processes that serve them.

What is decided (membership.py, service.py, ledger.py) is kept apart from the sockets (scheduler.py, server.py).
"""
