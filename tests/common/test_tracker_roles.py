"""Roles of tasks that have only a number."""

import pytest

from pushgrad.common.errors import JobError
from pushgrad.common.tracker_roles import tracker_variables

SGE = {"DMLC_JOB_CLUSTER": "sge", "DMLC_NUM_WORKER": "2", "DMLC_NUM_SERVER": "1"}


def test_the_first_tasks_are_workers():
    roles = [tracker_variables({**SGE, "DMLC_TASK_ID": str(task)})["DMLC_ROLE"] for task in (1, 2, 3)]
    assert roles == ["worker", "worker", "server"]


def test_the_role_of_dmlc_s_launcher_does_not_count():
    """It makes task 2 of 2 workers a server."""
    assert tracker_variables({**SGE, "DMLC_TASK_ID": "2", "DMLC_ROLE": "server"}) == {"DMLC_ROLE": "worker"}


def test_other_processes_have_their_roles():
    assert tracker_variables({**SGE, "DMLC_ROLE": "scheduler"}) == {}
    assert tracker_variables({**SGE, "DMLC_JOB_CLUSTER": "local", "DMLC_TASK_ID": "1"}) == {}


@pytest.mark.parametrize(("name", "text"), [("DMLC_TASK_ID", "undefined"), ("DMLC_NUM_WORKER", "")])
def test_what_makes_no_sense(name, text):
    with pytest.raises(JobError, match=f"{name}: expected a whole number above 0, as DMLC_JOB_CLUSTER is sge, got"):
        tracker_variables({**SGE, "DMLC_TASK_ID": "1", name: text})
