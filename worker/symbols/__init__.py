"""`mx.sym`: graphs that users compose, with operators by MXNet's names.

`compose` applies operators to graphs of any class; `methods` and `arithmetic` give Symbol its methods and signs, and
`sym` collects what users call.
"""
