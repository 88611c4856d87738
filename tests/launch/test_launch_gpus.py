"""Dealing GPUs: pure, with listings as `nvidia-smi -L` prints them."""

import pytest

from pushgrad.common.errors import JobError
from pushgrad.common.job import dealt_devices
from pushgrad.launch import gpus, team
from pushgrad.launch.gpus import Present, all_gpus, deal, parse_gpus, parse_listing, visible_devices

LISTING = """\
GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-11111111-aaaa-bbbb-cccc-000000000000)
  MIG 1g.10gb     Device  0: (UUID: MIG-33333333-aaaa-bbbb-cccc-000000000000)
GPU 1: NVIDIA H100 80GB HBM3 (UUID: GPU-22222222-aaaa-bbbb-cccc-000000000000)
"""
TWO = parse_listing(LISTING)


def test_listing():
    assert TWO.gpus == 2 and [uuid[:7] for uuid in TWO.uuids] == ["GPU-111", "MIG-333", "GPU-222"]


def test_parse():
    assert parse_gpus("0, 01,cpu,GPU-22222222") == ["0", "1", "cpu", "GPU-22222222"]
    assert parse_gpus("0-3") == ["0", "1", "2", "3"] and parse_gpus("2-2,cpu") == ["2", "cpu"]
    assert parse_gpus("all") == ["all"]
    for wrong in ("", "0,", "a", "-1", "0 1", "gpu", "0;1", "3-0", "0-", "0-1-2", "0-99999", "All"):
        with pytest.raises(JobError, match="--gpus: expected indices, UUIDs or cpu"):
            parse_gpus(wrong)


@pytest.mark.parametrize(
    "entries, workers, hands",
    [
        ("0,1", 2, [["0"], ["1"]]),
        ("0,1", 1, [["0", "1"]]),
        ("3,2,1,0", 2, [["3", "2"], ["1", "0"]]),
        ("0,0", 2, [["0"], ["0"]]),
        ("0,cpu", 2, [["0"], ["cpu"]]),
        ("cpu,cpu", 1, [["cpu", "cpu"]]),
    ],
)
def test_deal(entries, workers, hands):
    assert deal(parse_gpus(entries), workers) == hands


@pytest.mark.parametrize(
    "entries, workers, text",
    [
        ("0,1", 3, "more workers than GPUs: expected at most 2"),
        ("0,1,2", 2, "3 GPUs cannot be dealt evenly: expected 2 or 4"),
        ("0,0", 1, "worker 0 would get GPU 0 twice"),
    ],
)
def test_deal_refuses(entries, workers, text):
    with pytest.raises(JobError, match=text):
        deal(parse_gpus(entries), workers)


@pytest.mark.parametrize(
    "entries, already, names",
    [
        ("0,1", None, ["0", "1"]),
        ("0,1", "5,GPU-22222222", None),
        ("1,0", "1,0", ["0", "1"]),
        ("0", "GPU-22222222", ["GPU-22222222"]),
        ("GPU-22222222", "1,0", ["GPU-22222222"]),
        ("GPU-22222222", "GPU-22222222-aaaa-bbbb-cccc-000000000000", ["GPU-22222222"]),
        ("MIG-33333333", None, ["MIG-33333333"]),
        ("cpu,1", None, ["cpu", "1"]),
        ("0", "", None),
        ("0", "-1,0", None),
        ("1", "0,-1,1", None),
        ("GPU-99999999", None, None),
        ("GPU-11111111", "GPU-22222222", None),
        ("2", None, None),
    ],
)
def test_within_cuda_visible_devices(entries, already, names):
    environ = {} if already is None else {"CUDA_VISIBLE_DEVICES": already}
    if names is None:
        with pytest.raises(JobError, match=r"no GPU .*nvidia-smi -L"):
            visible_devices(parse_gpus(entries), environ, TWO)
    else:
        assert visible_devices(parse_gpus(entries), environ, TWO) == names


def test_all():
    assert all_gpus(["all"], {}, TWO) == ["0", "1"]
    assert all_gpus(["all", "cpu"], {"CUDA_VISIBLE_DEVICES": "3,GPU-22222222,1"}, TWO) == ["0", "1", "2", "cpu"]
    with pytest.raises(JobError, match="--gpus all: there is no GPU"):
        all_gpus(["all"], {}, Present(0, ()))
    with pytest.raises(JobError, match="there is no GPU: CUDA_VISIBLE_DEVICES= leaves none"):
        all_gpus(["all"], {"CUDA_VISIBLE_DEVICES": ""}, TWO)


def test_all_are_dealt(monkeypatch):
    monkeypatch.setattr(team, "present_gpus", lambda: TWO)
    assert team.deal_gpus("all", None, {}, {}) == (("0",), ("1",))
    assert team.deal_gpus("all", 1, {}, {}) == (("0", "1"),)
    with pytest.raises(JobError, match="--workers 3 with --gpus 0,1: more workers than GPUs"):
        team.deal_gpus("all", 3, {}, {})


def test_errors_say_what_is_there():
    with pytest.raises(JobError, match="--gpus 0,7: no GPU 7: expected 0 to 1"):
        visible_devices(["0", "7"], {}, TWO)
    with pytest.raises(JobError, match="within CUDA_VISIBLE_DEVICES=1: expected 0"):
        visible_devices(["1"], {"CUDA_VISIBLE_DEVICES": "1"}, TWO)


def test_each_worker_sees_its_own(monkeypatch):
    monkeypatch.setattr(team, "present_gpus", lambda: TWO)
    environ = {"CUDA_VISIBLE_DEVICES": "1,0"}
    assert team.deal_gpus("0,1", None, {}, environ) == (("1",), ("0",))
    assert team.deal_gpus("0,1", 1, {}, environ) == (("1", "0"),)
    assert team.deal_gpus("0,0", None, {}, environ) == (("1",), ("1",))
    assert team.deal_gpus("0,cpu", None, {}, environ) == (("1",), ("cpu",))
    assert team.deal_gpus("0,cpu", 1, {}, environ) == (("1", "cpu"),)
    assert team.deal_gpus(None, 3, {}, environ) == ()


@pytest.mark.parametrize(
    "hand, visible, devices",
    [
        (["1"], "1", "gpu0"),
        (["5", "2"], "5,2", "gpu0,gpu1"),
        (["GPU-22222222", "cpu"], "GPU-22222222", "gpu0,cpu0"),
        (["cpu", "3", "cpu"], "3", "cpu0,gpu0,cpu1"),
        (["cpu"], "", "cpu0"),
    ],
)
def test_what_a_worker_is_told(hand, visible, devices):
    assert gpus.cuda_visible_devices(hand) == visible
    assert gpus.pushgrad_devices(hand) == devices
    assert len(dealt_devices({"PUSHGRAD_DEVICES": devices})) == len(hand), "what is written can be read"


def test_indices_are_those_of_nvidia_smi():
    assert team._defaults(True, {})["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"
    assert "CUDA_DEVICE_ORDER" not in team._defaults(False, {})
    for name in ("CUDA_DEVICE_ORDER", "CUDA_VISIBLE_DEVICES"):
        assert "CUDA_DEVICE_ORDER" not in team._defaults(True, {name: "0"})


def test_two_names_of_one_gpu_for_one_worker(monkeypatch):
    monkeypatch.setattr(team, "present_gpus", lambda: Present(1, ()))
    with pytest.raises(JobError, match="GPU 0 twice"):
        team.deal_gpus("0,1", 1, {}, {"CUDA_VISIBLE_DEVICES": "0,0"})


def test_without_a_driver(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(gpus, "DRIVER", tmp_path / "absent")
    with pytest.raises(JobError, match="no NVIDIA driver"):
        gpus.present_gpus()
    assert team.deal_gpus("cpu,cpu", None, {}, {}) == (("cpu",), ("cpu",)), "cpu needs no driver"
    (tmp_path / "absent" / "0000:01:00.0").mkdir(parents=True)
    assert gpus.present_gpus() == Present(1, ())


def test_nvidia_smi_is_asked(monkeypatch, tmp_path):
    tool = tmp_path / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\nprintf '%s' '{LISTING}'\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    assert gpus.present_gpus() == TWO
