"""All keys to a ROUTER and as many bytes back, by two processes with a DEALER each: what ZeroMQ itself can move."""

import os
import sys
import tempfile

import numpy as np
import zmq
from turns import take_turns, task

CLIENTS = 2
todo = task()
payload = np.ones(todo.elements, np.float32)


def serve(address, ready):
    """Answer each key with as many bytes, until all clients are gone."""
    context = zmq.Context()
    socket = context.socket(zmq.ROUTER)
    socket.set(zmq.SNDHWM, 0)
    socket.bind(address)
    os.write(ready, socket.getsockopt(zmq.LAST_ENDPOINT))
    gone = 0
    while gone < CLIENTS:
        client, data = socket.recv_multipart(copy=False)
        if len(data) == 0:
            gone += 1
            continue
        socket.send_multipart([client.bytes, payload], copy=False)
    context.destroy(0)


def exchange(endpoint):
    context = zmq.Context()
    socket = context.socket(zmq.DEALER)
    socket.set(zmq.SNDHWM, 0)
    socket.connect(endpoint)
    weights = [np.empty(todo.elements, np.float32) for _ in range(todo.keys)]

    def work():
        for _ in range(todo.steps):
            for _ in weights:
                socket.send(payload, copy=False)
            for weight in weights:
                weight[:] = np.frombuffer(socket.recv(copy=False), np.float32)

    take_turns(f"pyzmq {zmq.__version__}", work)
    socket.send(b"")
    socket.close(1000)
    context.term()


folder = tempfile.mkdtemp()
address = "tcp://127.0.0.1:*" if todo.transport == "tcp" else f"ipc://{folder}/bare"
reading, writing = os.pipe()
children = []
for role in ("server", *["client"] * CLIENTS):
    if role == "client" and len(children) == 1:
        endpoint = os.read(reading, 200).decode().rstrip("\0")
    child = os.fork()
    if child == 0:
        serve(address, writing) if role == "server" else exchange(endpoint)
        os._exit(0)
    children.append(child)
sys.exit(max(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children))
