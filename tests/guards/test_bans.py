"""The static guard finds each of its bans, however the call is imported, and nothing in the code."""

from __future__ import annotations

import pytest

from tests.guards.bans import ALLOWED, CALLS, FILES, findings, in_python, in_text

WRITTEN = {
    "import pickle\npickle.load(f)": "pickle.load",
    "import pickle as p\np.loads(b)": "pickle.loads",
    "from pickle import loads\nloads(b)": "pickle.loads",
    "from pickle import load as read\nread(f)": "pickle.load",
    "import torch\ntorch.load(f)": "torch.load",
    "from torch import load\nload(f)": "torch.load",
    "read(f, weights_only=False)": "weights_only=False",
    "import yaml\nyaml.load(t)": "yaml.load",
    "import yaml\nyaml.load(t, Loader=yaml.SafeLoader)": "yaml.load",
    "import numpy as np\nnp.load(f, allow_pickle=True)": "allow_pickle=True",
    "import numpy as np\nnp.load(f, None, True)": "allow_pickle=True",
    "eval(text)": "eval",
    "exec(text)": "exec",
    "import subprocess\nsubprocess.run(c, shell=True)": "shell=True",
    "from subprocess import run\nrun(c, shell=1)": "shell=True",
    "import os\nos.system(c)": "os.system",
    "from os import system\nsystem(c)": "os.system",
    "import tempfile\ntempfile.mktemp()": "tempfile.mktemp",
    "archive.extractall(folder)": "extractall",
    "from shutil import unpack_archive\nunpack_archive(f)": "shutil.unpack_archive",
    "import os\nos.execvp(c, a)": "os.execvp",
    "from os import spawnl\nspawnl(m, c)": "os.spawnl",
    "import asyncio\nasyncio.create_subprocess_shell(c)": "asyncio.create_subprocess_shell",
    "host = '0.0.0.0'": "0.0.0.0",
    "host = f'http://0.0.0.0:{port}'": "0.0.0.0",
    "open('/tmp/x.log')": "/tmp/x.log",
    "path = f'/var/tmp/mi-ray-{n}'": "/var/tmp/mi-ray-",
}


@pytest.mark.parametrize(("source", "ban"), WRITTEN.items())
def test_each_ban_is_found_in_python(source: str, ban: str):
    assert [finding.ban for finding in in_python("x.py", source)] == [ban]


@pytest.mark.parametrize("call", CALLS)
def test_each_banned_call_is_found_by_its_name(call: str):
    module, _, name = call.rpartition(".")
    source = f"import {module}\n{call}(x)" if module else f"{name}(x)"
    assert any(finding.ban == call for finding in in_python("x.py", source))


@pytest.mark.parametrize(
    ("line", "ban"),
    [("ray start --dashboard-host=0.0.0.0", "0.0.0.0"), ("nohup x > /tmp/x.log &", "/tmp/x.log")],
)
def test_each_ban_is_found_in_yaml_and_shell_but_not_in_a_comment(line: str, ban: str):
    assert [finding.ban for finding in in_text("x.sh", line)] == [ban]
    assert list(in_text("x.sh", f"echo # {line}")) == []


@pytest.mark.parametrize(
    "source",
    [
        "model.eval()", "import re\nre.compile('x')", "import yaml\nyaml.safe_load(t)",
        "import numpy as np\nnp.load(f)",
        "import subprocess\nsubprocess.run(c, shell=False)", "read(f, weights_only=weights_only)", "x = '10.0.0.0/24'",
        "import json\njson.load(f)", "folder = '/tmp'",
    ],
)  # fmt: skip
def test_what_resembles_a_ban_passes(source: str):
    assert list(in_python("x.py", source)) == []


def test_the_code_has_none_but_what_is_allowed_with_a_reason():
    assert findings() == []
    assert all(len(reason) > 20 for _, reason in ALLOWED.values())


def test_what_is_allowed_once_in_a_file_is_found_the_second_time(tmp_path):
    for file in FILES:
        (tmp_path / file).touch()
    ((file, _), *_) = ALLOWED
    (tmp_path / file).parent.mkdir(parents=True)
    once = "import torch\ntorch.load(f, weights_only=False)\n"
    (tmp_path / file).write_text(once)
    assert findings(tmp_path) == []
    (tmp_path / file).write_text(once + once)
    assert [finding.ban for finding in findings(tmp_path)] == ["torch.load", "weights_only=False"]
