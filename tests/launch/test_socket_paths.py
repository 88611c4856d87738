"""The folder of a job's sockets, where TMPDIR has a long path: its processes must not fall back to tcp."""

import tempfile
from pathlib import Path

import pytest

from pushgrad.common.address import IPC_PATH, LONGEST_SOCKET, scheduler_endpoint
from pushgrad.common.job import JobEnv
from pushgrad.launch.surroundings import LONGEST_FOLDER, short_temp_folder

LONGEST_PATH = IPC_PATH - len(f"/{LONGEST_FOLDER}/{LONGEST_SOCKET}")  # that TMPDIR may have


@pytest.mark.parametrize("length", range(LONGEST_PATH - 2, LONGEST_PATH + 12))
def test_all_generations_of_a_job_use_ipc(scratch, monkeypatch, length):
    """Between what fits for the first generation alone and what fits for all, too."""
    given = scratch / ("a" * (length - len(f"{scratch}/")))
    given.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(given))
    chosen = short_temp_folder()
    assert chosen == (given if length <= LONGEST_PATH else Path("/tmp"))
    if chosen == given:
        folder = given / LONGEST_FOLDER
        folder.mkdir(mode=0o700)
        env = JobEnv("scheduler", "127.255.255.255", 65535, 1, 1, job_dir=str(folder))
        assert scheduler_endpoint(env) == f"ipc://{folder}/{LONGEST_SOCKET}"
