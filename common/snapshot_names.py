"""What `launch` and a training both know of snapshots: the variables that say when and where, and how each is named."""

from __future__ import annotations

import re

EVERY, WHERE, RESUME = "PUSHGRAD_SNAPSHOT", "PUSHGRAD_SNAPSHOT_DIR", "PUSHGRAD_RESUME"
FAILURE = "PUSHGRAD_ON_SNAPSHOT_FAILURE"  # what to do when one cannot be written
NAME = re.compile(r"([0-9]{6,})-fit([0-9]+)-(step[0-9]+|end)")  # see worker/files/snapshot_folder.py
