"""Memory shared between processes: reached by the right ticket only, and never shrunk."""

import os
import subprocess
import sys

import pytest

from pushgrad.common.segment import ALIGN, Segment

READ_AND_ANSWER = """
import sys
from pushgrad.common.segment import Segment, Ticket
pid, fd, nbytes, nonce = sys.argv[1:]
memory = Segment.open(Ticket(int(pid), int(fd), int(nbytes), nonce)).memory
assert memory[64:69] == b"hello"
memory[64:69] = b"HELLO"
"""


def test_another_process_reads_and_writes_the_same_memory():
    segment = Segment.create(4096)
    segment.memory[ALIGN : ALIGN + 5] = b"hello"
    command = [sys.executable, "-c", READ_AND_ANSWER, *map(str, segment.ticket)]
    subprocess.run(command, check=True, timeout=30)
    assert segment.memory[ALIGN : ALIGN + 5] == b"HELLO"
    segment.settle()


def test_what_is_opened_must_be_the_segment_of_the_ticket(tmp_path):
    segment, other = Segment.create(4096), Segment.create(4096)
    plain = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
    os.truncate(plain, 4096)
    right = segment.ticket
    wrong = [
        right._replace(fd=other.ticket.fd),
        right._replace(nonce="00" * 16),
        right._replace(nbytes=8192),
        right._replace(fd=plain),
        right._replace(pid=2**22 + 1),
    ]
    for ticket in wrong:
        with pytest.raises(OSError, match=r"segment|Invalid argument|No such"):
            Segment.open(ticket)
    assert Segment.open(right).ticket == right
    for made in (segment, other):
        made.settle()
    os.close(plain)
    with pytest.raises(FileNotFoundError):
        Segment.open(right)  # settled


def test_nobody_can_shrink_it_under_the_others():
    segment = Segment.create(4096)
    with pytest.raises(PermissionError):
        os.ftruncate(segment.ticket.fd, 0)
    segment.settle()


def test_memory_that_is_not_there_is_an_error_when_it_is_made():
    with pytest.raises(OSError, match=r"No space|too large|Cannot allocate"):
        Segment.create(1 << 60)
