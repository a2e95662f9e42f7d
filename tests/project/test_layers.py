"""The layers of .importlinter hold, and they cover every module."""

from __future__ import annotations

import configparser
import subprocess
import sys
from pathlib import Path

from support_project import PACKAGES, ROOT

CONTRACT = configparser.ConfigParser()
CONTRACT.read(ROOT / ".importlinter")


def test_the_layers_hold():
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([str(lint), "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    assert "0 broken" in done.stdout


def test_every_package_is_under_the_contract_and_each_layering_is_exhaustive():
    assert tuple(CONTRACT["importlinter"]["root_packages"].split()) == PACKAGES
    for name in CONTRACT.sections():
        section = CONTRACT[name]
        if section.get("type") == "layers" and "containers" in section:
            assert section.get("exhaustive") == "True", name


def test_exceptions_are_few_and_only_where_the_design_names_them():
    ignored = {
        line
        for name in CONTRACT.sections()
        for line in CONTRACT[name].get("ignore_imports", "").splitlines()
        if line
    }
    assert ignored == {
        "tactician.system.command -> subprocess",
        "tactician.system.guarding -> subprocess",
        "tactician.undo.commands -> subprocess",
        "tactician.environment -> gymnasium",
    }
