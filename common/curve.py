"""The job's keys: who may talk to whom off this host.

One folder per job with two key pairs: `server` proves the scheduler and the servers, `client` proves every process
that connects to one of them. Whoever has the folder belongs to the job, so it must be closed to everybody else.
"""

from __future__ import annotations

import os
import stat
import threading
from dataclasses import dataclass
from pathlib import Path

import zmq

from .address import stays_here
from .errors import JobError
from .job import JobEnv


@dataclass(frozen=True)
class Keys:
    """Public and secret halves, as CURVE's 40 characters of Z85."""

    server_public: bytes
    server_secret: bytes
    client_public: bytes
    client_secret: bytes


def make_keys(directory: str | os.PathLike[str]) -> None:
    """Make a job's two key pairs in `directory`, which is created with mode 0700 if it is not there."""
    import zmq.auth

    folder = Path(directory)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _require_private(folder)
    for name in ("server", "client"):
        zmq.auth.create_certificates(folder, name)
        (folder / f"{name}.key_secret").chmod(0o600)


def load_keys(directory: str) -> Keys:
    """The keys in `directory`; JobError if it is open to others, or a key is missing or broken."""
    import zmq.auth

    folder = Path(directory)
    if not folder.is_dir():
        raise JobError(f"PUSHGRAD_KEYS: no such directory: {directory}", remedy="`pushgrad keys FOLDER` makes one")
    _require_private(folder)
    pairs = []
    for name in ("server", "client"):
        path = folder / f"{name}.key_secret"
        try:
            public, secret = zmq.auth.load_certificate(path)
        except (OSError, ValueError) as error:
            raise JobError(
                f"PUSHGRAD_KEYS: cannot read {path} ({error})",
                remedy="Make the keys anew: `pushgrad keys --renew FOLDER`",
            ) from None
        if secret is None or len(public) != 40 or len(secret) != 40:
            raise JobError(
                f"PUSHGRAD_KEYS: {path} is no secret key", remedy="Make the keys anew: `pushgrad keys --renew FOLDER`"
            )
        pairs += [public, secret]
    return Keys(*pairs)


def _require_private(folder: Path) -> None:
    status = folder.stat()
    if status.st_uid not in (os.getuid(), 0) or stat.S_IMODE(status.st_mode) & 0o077:
        raise JobError(
            f"PUSHGRAD_KEYS: others may read {folder}",
            expected="mode 0700",
            got=f"{stat.S_IMODE(status.st_mode):04o}",
            remedy=f"chmod 700 {folder}",
        )


def keys_for(env: JobEnv, endpoint: str) -> Keys | None:
    """The keys that a socket at `endpoint` must use, None if it needs none; JobError if it needs keys and has none."""
    if stays_here(endpoint):
        return None
    if env.keys:
        return load_keys(env.keys)
    if env.insecure:
        return None
    raise JobError(
        f"{endpoint} can be reached from other hosts and the job has no keys",
        remedy="Set PUSHGRAD_KEYS to a directory of mode 0700 with the job's keys, the same for every process "
        "(`pushgrad keys FOLDER` makes it), or PUSHGRAD_INSECURE=1 to go without",
    )


def secure_client(socket: zmq.Socket[bytes], keys: Keys) -> None:
    """Before connecting: prove to be a process of the job, and accept only its servers."""
    socket.curve_publickey, socket.curve_secretkey = keys.client_public, keys.client_secret
    socket.curve_serverkey = keys.server_public


def secure_server(socket: zmq.Socket[bytes], keys: Keys) -> None:
    """Before binding: accept only processes that prove to be of the job. `Gatekeeper` must run in the context."""
    socket.curve_server = True
    socket.curve_publickey, socket.curve_secretkey = keys.server_public, keys.server_secret
    socket.zap_domain = b"pushgrad"


class Gatekeeper(threading.Thread):
    """Answers libzmq's question whether a client key may in (ZAP, rfc.zeromq.org/spec/27), for one context."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], keys: Keys) -> None:
        super().__init__(name="pushgrad-gatekeeper", daemon=True)
        from zmq.utils.z85 import decode

        self.allowed = decode(keys.client_public)
        self.socket = context.socket(zmq.REP)
        self.socket.bind("inproc://zeromq.zap.01")

    def run(self) -> None:
        """Until the context ends."""
        try:
            while True:
                self._answer(self.socket.recv_multipart())
        except zmq.ContextTerminated:
            self.socket.close(0)

    def _answer(self, question: list[bytes]) -> None:
        version, request = question[0], question[1]
        known = len(question) == 7 and question[5] == b"CURVE" and question[6] == self.allowed
        verdict = (b"200", b"OK") if known else (b"400", b"not a key of this job")
        self.socket.send_multipart([version, request, *verdict, b"", b""])
