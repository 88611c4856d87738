import re
import stat

import pytest
from click.testing import CliRunner

from pushgrad.cli import command, main
from pushgrad.common.curve import load_keys


def run(*arguments):
    return CliRunner().invoke(command, [str(item) for item in arguments], catch_exceptions=False)


def refused(monkeypatch, capsys, *arguments):
    """Standard error of a command that ends with 2."""
    monkeypatch.setattr("sys.argv", ["pushgrad", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    return capsys.readouterr().err


def test_keys_for_the_owner_alone(tmp_path):
    folder = tmp_path / "new" / "keys"
    assert run("keys", folder).output == f"Made keys in {folder}\n"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert all(stat.S_IMODE(file.stat().st_mode) == 0o600 for file in folder.glob("*.key_secret"))
    assert len(load_keys(str(folder)).client_secret) == 40


def test_keys_that_are_there_stay_unless_renewed(tmp_path):
    folder = tmp_path / "keys"
    run("keys", folder)
    first = load_keys(str(folder))
    assert "already" in run("keys", folder).output
    assert load_keys(str(folder)) == first
    run("keys", "--renew", folder)
    assert load_keys(str(folder)) != first


def test_a_folder_that_others_may_read(tmp_path, monkeypatch, capsys):
    folder = tmp_path / "open"
    folder.mkdir(mode=0o755)
    folder.chmod(0o755)
    message = refused(monkeypatch, capsys, "keys", folder)
    assert f"others may read {folder}: expected mode 0700, got 0755. chmod 700 {folder}" in message
    assert not any(folder.iterdir())


def test_broken_keys_are_not_passed_over(tmp_path, monkeypatch, capsys):
    folder = tmp_path / "keys"
    run("keys", folder)
    (folder / "client.key_secret").write_text("nonsense")
    assert re.search(r"client\.key_secret.*anew", refused(monkeypatch, capsys, "keys", folder))


def test_a_place_where_nothing_can_be_made(tmp_path, monkeypatch, capsys):
    (tmp_path / "file").write_text("")
    assert "cannot make keys" in refused(monkeypatch, capsys, "keys", tmp_path / "file" / "keys")
