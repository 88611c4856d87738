"""The runs of `launch`: the folder that each leaves, and the commands that look into it. docs/runs.md describes it."""
