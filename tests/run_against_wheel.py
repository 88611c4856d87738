"""Build the wheel, install it into a new environment, and run the tests there, away from the sources.

Usage: python tests/run_against_wheel.py PYTHON_WITH_BUILD [pytest arguments]
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BESIDE = ("tests", "examples", "benchmarks", "docs", "pyproject.toml", "README.md", "docker-compose.yml", "Dockerfile")


def main() -> int:
    builder, *options = sys.argv[1:]
    with tempfile.TemporaryDirectory(prefix="wheel-test-") as scratch:
        folder = Path(scratch)
        subprocess.run([builder, "-m", "build", "--wheel", "--outdir", folder / "dist", ROOT], check=True, stdout=-3)
        wheel = next((folder / "dist").glob("*.whl"))
        subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
        python = folder / "venv" / "bin" / "python"
        subprocess.run([python, "-m", "pip", "install", "--quiet", f"{wheel}[dev]"], check=True)
        place = folder / "elsewhere"
        place.mkdir()
        for name in BESIDE:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, place / name, ignore=shutil.ignore_patterns("__pycache__"))
            elif source.exists():
                shutil.copy(source, place / name)
        return subprocess.run([python, "-m", "pytest", *options], cwd=place).returncode


if __name__ == "__main__":
    sys.exit(main())
