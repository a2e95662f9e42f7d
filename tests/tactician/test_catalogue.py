"""The catalogue is data that can be trusted: complete, consistent, and at odds with nothing."""

from __future__ import annotations

import tomllib
from importlib import resources

import pytest

from tactician import catalogue

RAW = tomllib.loads((resources.files(catalogue) / "sysctl.toml").read_text(encoding="utf-8"))
NAMES = catalogue.names()


@pytest.mark.parametrize("name", NAMES)
def test_an_entry_says_what_it_does_and_how_we_know(name):
    entry = catalogue.entry(name)
    assert entry is not None
    assert entry.what.endswith(".")
    assert entry.source
    assert set(RAW["knob"][name]) <= {"what", "range", "pair", "acts", "source"}
    if entry.low is not None:
        assert entry.low < entry.high
    assert entry.what not in name


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_both_known_and_never_tuned_or_gone(name):
    assert catalogue.danger(name) is None
    assert catalogue.absent(name) is None


@pytest.mark.parametrize("name", NAMES)
def test_a_pair_of_known_keys_knows_each_other(name):
    for partner in catalogue.entry(name).pair:
        known = catalogue.entry(partner)
        if known is not None:
            assert name in known.pair
        assert catalogue.danger(partner) is None


def test_the_pairs_of_the_kernel_are_there():
    assert catalogue.entry("vm.dirty_bytes").pair == ("vm.dirty_ratio",)
    assert catalogue.entry("vm.dirty_background_ratio").pair == ("vm.dirty_background_bytes",)
    allowed = ("net.ipv4.tcp_allowed_congestion_control",)
    assert catalogue.entry("net.ipv4.tcp_congestion_control").pair == allowed


@pytest.mark.parametrize("name", RAW["absent"])
def test_what_is_gone_says_since_when_why_and_what_instead(name):
    absent = catalogue.absent(name)
    assert absent.since[0].isdigit()
    assert absent.reason
    assert absent.instead
    assert absent.successor == "" or absent.successor.startswith("/sys/")
    assert not set(absent.instead) & set(RAW["absent"])


@pytest.mark.parametrize("pattern", RAW["danger"])
def test_every_danger_has_a_reason_and_hits_its_own_name(pattern):
    assert catalogue.danger(pattern.replace("*", "x")) == RAW["danger"][pattern]


def test_what_is_not_there_is_none():
    assert catalogue.entry("vm.nothing") is None
    assert catalogue.absent("vm.swappiness") is None
    assert catalogue.danger("vm.swappiness") is None
    assert catalogue.durability_risks("vm.swappiness") == ()


@pytest.mark.parametrize("name", ["synchronous", "SYNCHRONOUS", "pragma.synchronous"])
def test_a_durability_setting_is_known_by_its_last_part_in_any_case(name):
    assert "off" in catalogue.durability_risks(name)


def test_a_dash_is_an_underscore():
    assert "off" in catalogue.durability_risks("full-page-writes")


@pytest.mark.parametrize(
    ("path", "unstable"),
    [
        ("/proc/sys/fs/dentry-state", True),
        ("/proc/sys/kernel/random/uuid", True),
        ("/proc/sys/fs/quota/syncs", True),
        ("/proc/sys/vm/swappiness", False),
        ("/proc/sys/net/ipv4/tcp_allowed_congestion_control", False),
    ],
)
def test_what_changes_by_itself_is_left_out_of_comparisons(path, unstable):
    assert catalogue.is_unstable(path) is unstable
