import re
import subprocess
import sys

import pytest

from pushgrad import cli


def called(monkeypatch, capsys, *arguments):
    """Exit code, standard output and standard error of `pushgrad ARGUMENTS`."""
    monkeypatch.setattr("sys.argv", ["pushgrad", *arguments])
    with pytest.raises(SystemExit) as end:
        cli.main()
    captured = capsys.readouterr()
    return end.value.code, captured.out, captured.err


def test_help_lists_every_command_and_imports_none():
    code = (
        "import sys; sys.argv = ['pushgrad', '--help']\n"
        "import atexit; atexit.register(lambda: print('LOADED', *sys.modules))\n"
        "from pushgrad.cli import main; main()"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    text, _, loaded = answer.stdout.partition("LOADED")
    for name, (module, _, about) in cli.COMMANDS.items():
        assert re.search(rf"^  {name} +{about[:30]}", text, re.MULTILINE)
        assert f"pushgrad{module}" not in loaded.split()
    assert not {"numpy", "numba", "zmq"} & set(loaded.split())


@pytest.mark.parametrize("name", sorted(cli.COMMANDS))
def test_every_command_is_there_and_explains_itself(name, monkeypatch, capsys):
    code, out, _ = called(monkeypatch, capsys, name, "--help")
    assert code == 0
    assert f"pushgrad {name}" in out


def test_version(monkeypatch, capsys):
    assert called(monkeypatch, capsys, "--version")[1].startswith("pushgrad, version 0.")


def test_unknown_command(monkeypatch, capsys):
    code, _, err = called(monkeypatch, capsys, "key")
    assert code == 2
    assert "No such command" in err
