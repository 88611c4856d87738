"""The `launch` command: from a job's options to a plan of processes, run and supervised."""
