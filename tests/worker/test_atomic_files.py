"""Files that appear whole, whoever else writes the same path."""

import threading
from pathlib import Path

import pytest

import pushgrad as mx
from pushgrad.worker.atomic_files import write_atomically


def test_two_threads_that_write_one_path(tmp_path):
    """Both are in the middle of it at the same time; the last one to rename wins, with a whole file."""
    path, both, errors = tmp_path / "file", threading.Barrier(2, timeout=20), []

    def write(letter):
        def fill(stream):
            stream.write(letter * 1000)
            both.wait()
            stream.write(letter * 1000)

        try:
            write_atomically(path, fill)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=write, args=(letter,)) for letter in (b"a", b"b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert errors == []
    assert path.read_bytes() in (b"a" * 2000, b"b" * 2000)
    assert list(tmp_path.iterdir()) == [path]


def test_graphs_saved_by_two_threads(tmp_path, monkeypatch):
    """Each has a temporary file of its own until both have written."""
    path, both, plain = tmp_path / "x-symbol.json", threading.Barrier(2, timeout=20), Path.replace
    graph, errors = mx.sym.Variable("x") + 1, []

    def replace(self, target):
        both.wait()
        return plain(self, target)

    def save():
        try:
            graph.save(path)
        except BaseException as error:
            errors.append(error)

    monkeypatch.setattr(Path, "replace", replace)
    threads = [threading.Thread(target=save) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert errors == []
    assert mx.sym.load(path).tojson() == graph.tojson()
    assert list(tmp_path.iterdir()) == [path]


def test_what_fails_leaves_the_old_content(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def fill(stream):
        stream.write(b"new")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, fill)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
