"""`launch` with stand-ins for scheduler and servers: `python with_fakes.py OPTIONS SCRIPT ARGS`."""

import functools
import sys
from pathlib import Path

from pushgrad.launch import options
from pushgrad.launch.cli import main

FAKE = Path(__file__).with_name("fake_job.py")
options.Job = functools.partial(options.Job, role_command=(sys.executable, str(FAKE)))
main()
