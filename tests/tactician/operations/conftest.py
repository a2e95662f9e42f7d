"""A home, a host in a folder and a lock that belong to one test."""

from __future__ import annotations

import pytest

from support_operations import end_guardians, make_root, own_lock
from tactician.system.home import Home


@pytest.fixture(autouse=True)
def lock_of_its_own(monkeypatch):
    return own_lock(monkeypatch)


@pytest.fixture
def home(tmp_path):
    home = Home(tmp_path / "state")
    yield home
    end_guardians(home.applied)


@pytest.fixture
def root(tmp_path):
    return make_root(tmp_path / "root")
