"""The job's keys (CURVE, ZMTP's RFC 26), which encrypt and authenticate every tcp connection, loopback included.

One folder per job holds two key pairs: the scheduler and the servers prove themselves by `server`, every process that
connects to one of them by `client`. Whoever has the folder belongs to the job, so it must be closed to everybody else.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path

import zmq

from .address import meeting_folder
from .errors import JobError
from .job import JobEnv


@dataclass(frozen=True)
class Keys:
    """The public and secret halves of both pairs, each as the 40 characters of Z85 that libzmq takes."""

    server_public: bytes
    server_secret: bytes
    client_public: bytes
    client_secret: bytes


def make_keys(directory: str | os.PathLike[str]) -> None:
    """Make a job's two key pairs in `directory`, which is created with mode 0700 if it is missing.

    Existing keys are replaced. Raises JobError if others may enter the directory, OSError if it cannot be written.
    """
    import zmq.auth

    folder = Path(directory)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _require_private(folder)
    for name in ("server", "client"):
        zmq.auth.create_certificates(folder, name)
        (folder / f"{name}.key_secret").chmod(0o600)  # until now the folder's mode protects it


def load_keys(directory: str) -> Keys:
    """Read the keys in `directory`. Raises JobError if it is open to others, or if a key is missing or broken."""
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
    # root may own it: what root can do with it, root can do anyway.
    if status.st_uid not in (os.getuid(), 0) or stat.S_IMODE(status.st_mode) & 0o077:
        raise JobError(
            f"PUSHGRAD_KEYS: others may read {folder}",
            expected="mode 0700",
            got=f"{stat.S_IMODE(status.st_mode):04o}",
            remedy=f"chmod 700 {folder}",
        )


def keys_for(env: JobEnv, endpoint: str) -> Keys | None:
    """The keys that a socket at `endpoint` must use; without PUSHGRAD_KEYS, None for ipc and with PUSHGRAD_INSECURE.

    tcp needs keys on loopback, too: every user of the host can connect there. Where all processes are on one host, they
    make keys themselves, in the folder where they meet. Raises JobError if keys are needed and there are none, or they
    cannot be read: there is no way to get an open port by leaving something out.
    """
    if env.keys:
        return load_keys(env.keys)
    if env.insecure or not endpoint.startswith("tcp://"):  # ipc is in a folder that only this user can enter
        return None
    folder = meeting_folder(env)
    if folder is not None:
        return load_keys(str(_keys_within(folder)))
    raise JobError(
        f"{endpoint} can be reached from other hosts and the job has no keys",
        remedy="Set PUSHGRAD_KEYS to a directory of mode 0700 with the job's keys, the same for every process "
        "(`pushgrad keys FOLDER` makes it), or PUSHGRAD_INSECURE=1 to go without",
    )


def _keys_within(folder: Path) -> Path:
    """The keys in a folder where processes meet, made by the first that needs them."""
    keys = folder / "keys"
    if not keys.is_dir():
        try:
            fresh = tempfile.mkdtemp(prefix="keys-", dir=folder)  # mode 0700
            make_keys(fresh)
        except OSError as error:
            raise JobError(f"cannot make keys in {folder} ({error.strerror})", remedy="Set PUSHGRAD_KEYS") from None
        try:
            Path(fresh).rename(keys)  # whole at once; fails if another process was first
        except OSError:
            shutil.rmtree(fresh, ignore_errors=True)
    return keys


def secure_client(socket: zmq.Socket[bytes], keys: Keys) -> None:
    """Set a socket's keys before it connects: it proves that it is of the job, and accepts only the job's servers."""
    socket.curve_publickey, socket.curve_secretkey = keys.client_public, keys.client_secret
    socket.curve_serverkey = keys.server_public


def secure_server(socket: zmq.Socket[bytes], keys: Keys) -> None:
    """Set a socket's keys before it binds, so that it accepts only processes of the job.

    A `Gatekeeper` must already run in the socket's context, or libzmq accepts any client key.
    """
    socket.curve_server = True
    socket.curve_publickey, socket.curve_secretkey = keys.server_public, keys.server_secret
    socket.zap_domain = b"pushgrad"


class Gatekeeper(threading.Thread):
    """A thread that answers libzmq's question whether a client key is allowed (ZAP, rfc.zeromq.org/spec/27).

    There is one per context; libzmq finds it by the inproc endpoint that ZAP prescribes.
    """

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], keys: Keys) -> None:
        super().__init__(name="pushgrad-gatekeeper", daemon=True)
        from zmq.utils.z85 import decode

        self.allowed = decode(keys.client_public)
        self.socket = context.socket(zmq.REP)
        # Bound here and not in `run`: it must be there before the first client connects. Handing a socket to another
        # thread is allowed, as starting the thread is a full memory barrier.
        self.socket.bind("inproc://zeromq.zap.01")

    def run(self) -> None:
        """Answer until the context is terminated; then close the socket, for which `term` waits."""
        try:
            while True:
                self._answer(self.socket.recv_multipart())
        except zmq.ContextTerminated:
            self.socket.close(0)

    def _answer(self, question: list[bytes]) -> None:
        # Frames: version, request id, domain, address, identity, mechanism, and for CURVE the client's public key.
        version, request = question[0], question[1]
        known = len(question) == 7 and question[5] == b"CURVE" and question[6] == self.allowed
        verdict = (b"200", b"OK") if known else (b"400", b"not a key of this job")
        self.socket.send_multipart([version, request, *verdict, b"", b""])
