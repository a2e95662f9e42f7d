"""Which knobs are here: devices in place of patterns, what reads, what opens, and what is left out."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cli_ai.discovery import knobs as module
from cli_ai.discovery.knobs import knobs
from cli_ai.discovery.tree import Tree
from tactician import catalogue


def tree(root: Path, **files: str) -> Tree:
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return Tree(str(root))


def test_patterns_name_the_devices_that_are_here(tmp_path: Path) -> None:
    found = knobs(
        tree(
            tmp_path,
            **{
                "sys/block/sda/queue/nr_requests": "64\n",
                "sys/block/nvme0n1/queue/nr_requests": "1023\n",
                "sys/block/loop0/queue/nr_requests": "128\n",
                "sys/block/zram0/queue/nr_requests": "128\n",
                "sys/class/net/eth0/tx_queue_len": "1000\n",
                "sys/class/net/lo/tx_queue_len": "1000\n",
                "proc/sys/net/ipv4/neigh/eth0.100/gc_stale_time": "60\n",
                "proc/sys/net/ipv4/neigh/default/gc_stale_time": "60\n",
                "proc/sys/net/ipv4/neigh/lo/gc_stale_time": "60\n",
            },
        )
    )
    assert found.values == {
        "/sys/block/nvme0n1/queue/nr_requests": "1023",
        "/sys/block/sda/queue/nr_requests": "64",
        "/sys/class/net/eth0/tx_queue_len": "1000",
        "net.ipv4.neigh.eth0/100.gc_stale_time": "60",
    }
    assert set(found.present) == set(found.writable) == set(found.values)
    assert "/sys/block/{disk}/queue/nr_requests" not in found.absent
    assert all(catalogue.entry(name) for name in found.present)


def test_every_host_knob_is_present_or_absent_and_no_service_is(tmp_path: Path) -> None:
    found = knobs(tree(tmp_path, **{"proc/sys/vm/swappiness": "60\n"}))
    of_host = {entry.name for entry in catalogue.entries() if entry.kind != "service"}
    assert set(found.absent) == (of_host | set(catalogue.absents())) - {"vm.swappiness"}
    assert len(found.absent) == len(set(found.absent))


def test_what_cannot_be_read_or_reads_as_empty_is_no_knob(tmp_path: Path) -> None:
    found = knobs(tree(tmp_path, **{"proc/sys/vm/swappiness": "\n", "proc/sys/vm/dirty_ratio/x": ""}))
    assert found.present == ()
    assert "vm.swappiness" not in found.absent, "it is there, but could not be restored"
    assert "vm.dirty_ratio" in found.absent


def test_more_places_than_are_looked_at_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_OF_A_PATTERN", 2)
    files = {f"sys/block/sd{letter}/queue/nr_requests": "1\n" for letter in "abc"}
    found = knobs(tree(tmp_path, **files))
    assert found.present == tuple(f"/sys/block/sd{letter}/queue/nr_requests" for letter in "ab")
    assert found.notes == ("Of /sys/block/{disk}/queue/nr_requests only 2 of 3 are looked at.",)


@pytest.mark.needs("root")
def test_what_opens_only_for_reading_is_not_writable() -> None:
    """The kernel decides, not the mode: some of these are 0644 and refuse even root."""
    found = knobs(Tree())
    assert set(found.writable) <= set(found.present)
    for name in set(found.present) - set(found.writable):
        path = name if name.startswith("/") else "/proc/sys/" + name.translate(str.maketrans("./", "/."))
        with pytest.raises(OSError, match=r"\[Errno"):
            os.close(os.open(path, os.O_WRONLY))
