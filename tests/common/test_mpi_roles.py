"""Roles from the ranks that MPI's launchers set, as Open MPI 4.1 and 5.0, MPICH 4 and 5, Intel MPI 2021 do."""

import pytest

from pushgrad.common.errors import JobError
from pushgrad.common.job import JobEnv
from pushgrad.common.mpi_roles import Place, mpi_variables, place

OPENMPI = {"OMPI_COMM_WORLD_SIZE": "{n}", "OMPI_COMM_WORLD_RANK": "{r}"}
OPENMPI |= {"OMPI_COMM_WORLD_LOCAL_SIZE": "{n}", "OMPI_COMM_WORLD_LOCAL_RANK": "{r}"}
HYDRA = {"PMI_SIZE": "{n}", "PMI_RANK": "{r}", "MPI_LOCALNRANKS": "{n}", "MPI_LOCALRANKID": "{r}"}


def environ(family, size, rank, **more):
    return {name: text.format(n=size, r=rank) for name, text in family.items()} | more


@pytest.mark.parametrize("family", [OPENMPI, HYDRA], ids=["Open MPI", "Hydra"])
def test_roles_by_rank(family):
    found = [mpi_variables(environ(family, 6, rank, PUSHGRAD_SERVERS="2")) for rank in range(6)]
    jobs = [JobEnv.from_env(variables) for variables in found]
    assert [(job.role, job.rank) for job in jobs] == [
        ("scheduler", None),
        ("server", 0),
        ("server", 1),
        ("worker", 0),
        ("worker", 1),
        ("worker", 2),
    ]
    assert {(job.num_workers, job.num_servers, job.root, job.job_id) for job in jobs} == {
        (3, 2, jobs[0].root, jobs[0].job_id)
    }
    assert [variables.get("RANK") for variables in found] == [None, None, None, "0", "1", "2"]
    assert jobs[0].root.startswith("tcp://127.0.0.1:") and jobs[0].job_id.startswith("mpi-")


def test_too_few_are_no_job():
    for size in (1, 2):
        assert mpi_variables(environ(HYDRA, size, 0)) == {}, "kvstore='auto' refuses them; see foreign_launcher.py"
    with pytest.raises(
        JobError, match=r"mpirun has started 1 \(PMI_SIZE\), and PUSHGRAD_SERVERS is 2: expected 4 processes"
    ):
        mpi_variables(environ(HYDRA, 1, 0, PUSHGRAD_SERVERS="2"))


def test_no_job_is_wanted():
    assert mpi_variables(environ(HYDRA, 6, 0, PUSHGRAD_SERVERS="0")) == {}
    assert mpi_variables(environ(HYDRA, 6, 0, DMLC_ROLE="worker")) == {}, "a job of launch's"
    assert mpi_variables({}) == {}
    with pytest.raises(JobError, match="PUSHGRAD_SERVERS: expected a whole number, 0 for no job, got 'x'"):
        mpi_variables(environ(HYDRA, 6, 0, PUSHGRAD_SERVERS="x"))


def test_several_hosts_need_a_meeting_place():
    apart = environ(HYDRA, 6, 3, MPI_LOCALNRANKS="3", MPI_LOCALRANKID="0")
    with pytest.raises(JobError, match=r"`launch --cluster mpi train\.py` starts them so that they do"):
        mpi_variables(apart)
    told = mpi_variables(apart | {"DMLC_PS_ROOT_URI": "node1", "DMLC_PS_ROOT_PORT": "9091"})
    assert (told["DMLC_ROLE"], told["RANK"], told["LOCAL_RANK"]) == ("worker", "1", "0")
    assert "DMLC_PS_ROOT_URI" not in told and "OMP_NUM_THREADS" not in told


def test_places():
    assert place(environ(OPENMPI, 4, 3)) == Place(place(environ(OPENMPI, 4, 3)).family, 3, 4, 3, True)
    cray = {"PMI_SIZE": "4", "PMI_RANK": "2", "PMI_LOCAL_SIZE": "2", "PMI_LOCAL_RANK": "0"}
    assert not place(cray).together
    assert place({"PMI_SIZE": "4"}) is None
