"""Where options come from: option, LAUNCH_* variable, file, default, in this order."""

import json
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

from pushgrad.common.errors import JobError
from pushgrad.launch.cli import command

FILE = """
workers = 2
grace-period = 3
gpus = "cpu,cpu"
script = "train.py"
args = ["--lr", 0.1]

[env]
COLOUR = "light blue"
NUMBER = 3
API_TOKEN = "hunter2"
"""


@pytest.fixture
def dry(tmp_path, monkeypatch):
    """Runs `launch --dry-run` in this process: the resolved configuration and the whole text."""
    monkeypatch.chdir(tmp_path)
    Path("train.py").write_text("")
    Path("other.py").write_text("")
    Path("job.toml").write_text(FILE)

    def run(*arguments, **env):
        done = CliRunner().invoke(command, ["--dry-run", *map(str, arguments)], env=env, standalone_mode=False)
        if done.exception:
            raise done.exception
        comments = [line[2:] for line in done.output.splitlines() if line.startswith("# ") or line == "#"]
        toml = "\n".join(line for line in comments if " = " in line or line == "[env]")
        return tomllib.loads(toml), done.output

    return run


@pytest.mark.parametrize(
    ("arguments", "env", "workers", "source"),
    [
        (["train.py"], {}, 1, "default"),
        (["--config", "job.toml"], {}, 2, "job.toml"),
        ([], {"LAUNCH_CONFIG": "job.toml"}, 2, "job.toml"),
        (["--config", "job.toml"], {"LAUNCH_WORKERS": "1"}, 1, "LAUNCH_WORKERS"),
        (["--config", "job.toml", "-n", "2"], {"LAUNCH_WORKERS": "1"}, 2, "command line"),
        (["-n2", "--gpus", "cpu,cpu", "train.py"], {"LAUNCH_GPUS": "cpu"}, 2, "command line"),
    ],
)
def test_what_is_nearer_counts(dry, arguments, env, workers, source):
    settings, text = dry(*arguments, **env)
    assert settings["workers"] == workers
    (line,) = [line for line in text.splitlines() if line.startswith("# workers = ")]
    assert line.endswith(f"# {source}")
    assert text.count("DMLC_ROLE=worker") == workers


def test_a_file_may_hold_a_whole_job(dry):
    settings, text = dry("--config", "job.toml")
    assert text.count("train.py --lr 0.1 &") == 2 and "COLOUR='light blue'" in text and "NUMBER=3" in text
    assert settings["grace-period"] == 3 and settings["env"] == {"COLOUR": "light blue", "NUMBER": "3"}
    assert "hunter2" not in text and "API_TOKEN: its value is not written here" in text
    settings, text = dry("--config", "job.toml", "other.py")
    assert text.count("other.py &") == 2, "the file's arguments are for the file's script"
    assert settings["script"] == "other.py" and settings["args"] == []


def test_variables_of_all_sources_come_together(dry):
    settings, _ = dry(
        "--config", "job.toml", "--env", "NUMBER=5", LAUNCH_ENV="NUMBER=4 MORE='a b' COLOUR=red", LAUNCH_QUIET="1"
    )
    assert settings["env"] == {"COLOUR": "red", "NUMBER": "5", "MORE": "a b"} and settings["quiet"] is True


def test_lists(dry):
    Path("job.toml").write_text('gpus = ["cpu", "cpu"]\nranks = [0, 1]\nscript = "train.py"\n')
    settings, _ = dry("--config", "job.toml")
    assert (settings["gpus"], settings["ranks"], settings["workers"]) == ("cpu,cpu", "0,1", 2)


def test_a_variable_that_is_nearly_an_option_is_mentioned(dry):
    _, text = dry("train.py", LAUNCH_WORKER="3", LAUNCH_PAD="39A")
    assert "# note: LAUNCH_WORKER is the variable of no option. Did you mean LAUNCH_WORKERS?" in text
    assert "LAUNCH_PAD" not in text


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("worker = 2", "job.toml: there is no option 'worker'. Did you mean workers?"),
        ("zzz = 2", "job.toml: there is no option 'zzz'; there are "),
        ('workers = "2"', "job.toml: workers: expected a whole number, got '2'"),
        ("workers = true", "job.toml: workers: expected a whole number, got True"),
        ("timeout = 'x'", "job.toml: timeout: expected a number"),
        ("quiet = 1", "job.toml: quiet: expected true or false"),
        ("gpus = 1.5", "job.toml: gpus: expected a text or a list, such as [0, 1], got 1.5"),
        ("gpus = {}", "job.toml: gpus: expected a text or a list"),
        ("args = 'x'", "job.toml: args: expected a list"),
        ("env = ['A=1']", "job.toml: env: expected a table of variables, [env]"),
        ("[env]\nA = [1]", "job.toml: env: expected a table"),
        ("dry-run = true", "job.toml: there is no option 'dry-run'"),
        ("config = 'job.toml'", "job.toml: there is no option 'config'"),
        ("workers =", "job.toml is not TOML"),
        ("workers = 0", "--workers: expected 1 or more, got 0. --workers comes from job.toml"),
        ("ranks = [4]", "--ranks: expected ranks of the job's workers, 0 to 0, got 4. --ranks comes from job.toml"),
    ],
)
def test_files_that_make_no_sense(dry, content, told):
    Path("job.toml").write_text(content)
    with pytest.raises(JobError) as refused:
        dry("--config", "job.toml", "train.py")
    assert told in str(refused.value)


def test_files_that_cannot_be_read(dry):
    Path("broken.toml").write_bytes(b"script = '\xff'")
    for name, told in (("absent.toml", "No such file"), (".", "Is a directory"), ("broken.toml", "is not TOML")):
        with pytest.raises(JobError, match=told):
            dry("--config", name, "train.py")


def test_a_wrong_variable_is_named(launch, script):
    name = script("")
    for env, told in (
        ({"LAUNCH_WORKERS": "two"}, "'two' is not a valid integer"),
        ({"LAUNCH_WORKERS": "0"}, "got 0. --workers comes from LAUNCH_WORKERS"),
        ({"LAUNCH_QUIET": "maybe"}, "'maybe' is not a valid boolean"),
        ({"LAUNCH_ENV": "A='b"}, "No closing quotation"),
    ):
        job = launch(name, real=True, env=env)
        assert job.finish() == 2, job.text
        assert told in job.text and next(iter(env)) in job.text and "Traceback" not in job.text


def test_the_configuration_is_saved_and_starts_such_a_job_again(launch, script, tmp_path):
    name = script("import json, os, sys; print(json.dumps([sys.argv[1:], os.environ['A'], os.environ['WORLD_SIZE']]))")
    first = launch("-n", 2, "-s", 2, "--log-dir", "logs", "--env", "A=\x7f\\ é\n", name, "--x", "a 'b\"")
    assert first.finish() == 0, first.text
    saved = tmp_path / "logs" / first.job_id / "job.toml"
    again = launch("--config", saved)
    assert again.finish() == 0, again.text
    assert sorted(first.lines) == sorted(again.lines)
    assert json.loads(first.lines[0][5:]) == [["--x", "a 'b\""], "\x7f\\ é\n", "2"]
