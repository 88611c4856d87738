"""The `launch` command: from a job's options to a plan of processes, which it then runs and supervises.

options.py makes a Job, a Cluster (local.py) plans its processes, run.py and runner.py run them, and supervisor.py
decides.
"""
