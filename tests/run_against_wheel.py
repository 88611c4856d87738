"""Build sdist and wheel, install the wheel into a new environment, and test there, away from the sources.

What can differ there is tested, and no more. Usage: .venv/bin/python tests/run_against_wheel.py [pytest arguments]

The new environment sees the packages of the running one, so that nothing is fetched again, but not its pushgrad: that
is the wheel's. What the wheel's requirements lack, tests/test_dependencies.py shows.
"""

import os
import shutil
import site
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BESIDE = ("tests", "examples", "pyproject.toml")
CHOSEN = (
    "tests/test_installed.py",  # modules, the files beside them, the commands, and a job under `launch`
    "tests/test_cli.py",  # the subcommands of pushgrad
    "tests/test_face.py",  # what `import pushgrad` gives
    "tests/launch/test_launch_notebook.py",  # mx.run
    "tests/ps/test_ps_start.py::test_the_role_command_starts_without_slow_imports",
    "tests/job/test_dmlc_by_hand.py",  # a job without `launch`
    "tests/examples/test_article.py::test_sonar_to_the_last_digit",
    "tests/examples/test_article.py::test_boston_to_six_digits[alone]",
    "tests/examples/test_mnist_example.py::test_idx_files_without_gz",
    "tests/examples/test_network_examples.py::test_workers_share_a_language_model",
    "tests/examples/test_image_app_picture.py",
    "tests/cuda/test_article_on_gpu.py",  # kernels from the installed .cu files, compiled and run
)


def build(folder: Path) -> Path:
    """The wheel, built from the sdist that is built from the sources."""
    command = [sys.executable, "-m", "build", "--outdir", folder, ROOT]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        sys.exit(done.stdout)
    (wheel,) = folder.glob("*.whl")
    return wheel


def install(wheel: Path, folder: Path) -> Path:
    """The Python of a new environment in which the wheel is, and of the other packages those of the running Python."""
    venv.create(folder, symlinks=True)
    python = folder / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", wheel]
    subprocess.run(pip, check=True)
    own = Path(site_packages(python))
    # Lines of a .pth file become places to import from, behind the environment's own; that the running environment has
    # pushgrad, too, is said by a .pth file of its own, which is not read there.
    (own / "others.pth").write_text("".join(f"{place}\n" for place in site.getsitepackages()))
    found = subprocess.check_output([python, "-P", "-c", "import pushgrad; print(pushgrad.__file__)"], text=True)
    assert Path(found).is_relative_to(own), f"this is not the wheel: {found}"
    return python


def site_packages(python: Path) -> str:
    """Where that Python has its packages."""
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    return subprocess.check_output([python, "-c", code], text=True).strip()


def main() -> int:
    """Exit code of pytest."""
    os.environ.pop("PYTHONPATH", None)
    with tempfile.TemporaryDirectory(prefix="wheel-test-") as scratch:
        folder = Path(scratch)
        python = install(build(folder / "dist"), folder / "venv")
        place = folder / "elsewhere"
        for name in BESIDE:
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, place / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(ROOT / name, place / name)
        return subprocess.run([python, "-m", "pytest", *CHOSEN, *sys.argv[1:]], cwd=place).returncode


if __name__ == "__main__":
    sys.exit(main())
