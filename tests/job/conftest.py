"""Running `launch` and looking at what it leaves behind: the fixtures of tests/launch."""

import importlib.util
from pathlib import Path

_spec = importlib.util.spec_from_file_location("launch_fixtures", Path(__file__).parents[1] / "launch" / "conftest.py")
_fixtures = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_fixtures)

launch, script, scratch = _fixtures.launch, _fixtures.script, _fixtures.scratch
left_behind, gone_within = _fixtures.left_behind, _fixtures.gone_within
