"""cupy.cuda.nccl within one process: whoever waits for a collective runs what the other GPUs do before it."""

import threading
from types import SimpleNamespace

import numpy as np

from .copies import _bytes_at
from .machine import here
from .streams import by_ptr

_DTYPES = {0: "i1", 1: "u1", 2: "i4", 3: "u4", 4: "i8", 5: "u8", 6: "f2", 7: "f4", 8: "f8"}
_OPERATIONS = [np.add, np.multiply, np.maximum, np.minimum]


class NcclError(RuntimeError):
    pass


class _Meeting:
    """One collective: who has come to it, from where, with what."""

    def __init__(self, size):
        self.size, self.members, self.finished = size, {}, False

    def run(self):
        if self.finished:
            return
        missing = set(range(self.size)) - set(self.members)
        assert not missing, f"this would hang: ranks {sorted(missing)} have not called the collective"
        kinds = {member.kind for member in self.members.values()}
        assert len(kinds) == 1, f"the ranks call different collectives: {sorted(map(str, kinds))}"
        self.finished = True
        for member in self.members.values():
            member.arrived.reach()
        self.members[0].finish([self.members[rank] for rank in range(self.size)])


class _Call:
    """What one rank queues. `issue` is asked for every launch of a graph anew."""

    def __init__(self, comm, kind, finish, send, receive):
        self.comm, self.kind, self.finish, self.send, self.receive = comm, kind, finish, send, receive

    def issue(self, stream):
        meeting = self.comm._next_meeting()
        member = SimpleNamespace(**self.__dict__, arrived=stream.mark())
        meeting.members[self.comm._rank] = member
        return meeting.run


class _Clique:
    def __init__(self, size):
        self.size, self.meetings = size, {}


class NcclCommunicator:
    def __init__(self, ndev, commId, rank):
        self._clique = here().cliques.setdefault(commId, _Clique(ndev))
        self._rank, self._device, self._count, self._alone = rank, here().local.device, 0, True

    @staticmethod
    def initAll(devices):
        devices = list(range(devices)) if isinstance(devices, int) else list(devices)
        assert len(set(devices)) == len(devices) and max(devices) < here().gpus, f"GPUs {devices}"
        uid, comms = get_unique_id(), []
        for rank, device in enumerate(devices):
            comm = NcclCommunicator(len(devices), uid, rank)
            comm._device, comm._alone = device, False
            comms.append(comm)
        return comms

    def _next_meeting(self):
        self._count += 1
        return self._clique.meetings.setdefault(self._count, _Meeting(self._clique.size))

    def _queue(self, kind, finish, sendbuf, recvbuf, count, datatype, stream):
        stream = by_ptr(stream)
        assert stream.device_id == self._device, f"rank {self._rank} is on GPU {self._device}, not on that of {stream}"
        assert self._alone or self._clique.size == 1 or here().local.nccl_depth, (
            "one thread that calls for several GPUs would hang outside of groupStart() and groupEnd()"
        )
        dtype = np.dtype(_DTYPES[datatype])
        buffers = []
        for address in (sendbuf, recvbuf):
            raw, where = _bytes_at(address, count * dtype.itemsize)
            assert where == "device", "NCCL works on memory of GPUs"
            buffers.append(raw.view(dtype))
        with here().lock:
            stream.enqueue(_Call(self, (kind, count, datatype), finish, *buffers))

    def allReduce(self, sendbuf, recvbuf, count, datatype, op, stream):
        def finish(members):
            total = members[0].send.copy()
            for member in members[1:]:
                total = _OPERATIONS[op](total, member.send)
            for member in members:
                member.receive[...] = total

        self._queue(f"allReduce {op}", finish, sendbuf, recvbuf, count, datatype, stream)

    def broadcast(self, sendbuf, recvbuf, count, datatype, root, stream):
        def finish(members):
            values = members[root].send.copy()
            for member in members:
                member.receive[...] = values

        self._queue(f"broadcast {root}", finish, sendbuf, recvbuf, count, datatype, stream)

    def bcast(self, buff, count, datatype, root, stream):
        self.broadcast(buff, buff, count, datatype, root, stream)

    def size(self):
        return self._clique.size

    def rank_id(self):
        return self._rank

    def device_id(self):
        return self._device

    def destroy(self):
        pass

    abort = check_async_error = destroy


_counting = threading.Lock()


def get_unique_id():
    with _counting:
        return b"%d" % next(here().numbers)


def _deeper(by):
    here().local.nccl_depth += by
    assert here().local.nccl_depth >= 0, "groupEnd() without groupStart()"


def make_nccl():
    names = ["INT8", "UINT8", "INT32", "UINT32", "INT64", "UINT64", "FLOAT16", "FLOAT32", "FLOAT64"]
    constants = {f"NCCL_{name}": number for number, name in enumerate(names)}
    return SimpleNamespace(
        NcclCommunicator=NcclCommunicator,
        NcclError=NcclError,
        available=True,
        get_unique_id=get_unique_id,
        get_version=lambda: 22800,
        get_build_version=lambda: 22800,
        groupStart=lambda: _deeper(1),
        groupEnd=lambda: _deeper(-1),
        **constants,
        NCCL_CHAR=0,
        NCCL_INT=2,
        NCCL_HALF=6,
        NCCL_FLOAT=7,
        NCCL_DOUBLE=8,
        NCCL_SUM=0,
        NCCL_PROD=1,
        NCCL_MAX=2,
        NCCL_MIN=3,
    )
