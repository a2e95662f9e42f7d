"""Whatever the kernel does, each place is put back or named with a command that puts it back."""

from __future__ import annotations

import errno
import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support_core import FakeKernel, dirty_pair, refusal
from tactician.ports import Place
from tactician.undo.restore import command_for, restore

RATIO, BYTES = "/proc/sys/vm/dirty_ratio", "/proc/sys/vm/dirty_bytes"
A, B, C = "/proc/sys/x/a", "/proc/sys/x/b", "/proc/sys/x/c"
THP = "/sys/kernel/mm/transparent_hugepage/enabled"


def undo(writes, expected=None):
    return {
        "writes": [[path, "", text] for path, text in writes],
        "expected": [[path, "", text] for path, text in (expected or writes)],
    }


def run(kernel, undos):
    return restore(
        undos,
        read=lambda path, netns: kernel.read(Place(path, netns)),
        write=lambda path, text, netns: kernel.write(Place(path, netns), text),
    )


@pytest.mark.parametrize("start", [{"dirty_ratio": "20"}, {"dirty_ratio": "0", "dirty_bytes": "16777216"}])
@pytest.mark.parametrize("moved", [(RATIO, "45"), (BYTES, "33554432")])
def test_a_pair_comes_back_as_a_pair(start, moved):
    kernel = dirty_pair(**start)
    before = kernel.shown()
    pair = [(RATIO, before[RATIO]), (BYTES, before[BYTES])]
    kernel.write(Place(moved[0]), moved[1])
    changed, leftovers = run(kernel, [undo([w for w in pair if w[1] != "0"], pair)])
    assert leftovers == []
    assert kernel.shown() == before
    assert {path for path, _ in changed} <= {RATIO, BYTES}
    assert changed


def test_the_newest_is_undone_first():
    kernel = FakeKernel({A: "2", B: "2", C: "2"})
    run(kernel, [undo([(A, "1")]), undo([(B, "1")]), undo([(C, "1")])])
    assert [path for _, path, _ in kernel.log] == [C, B, A]


def test_what_a_later_restore_spoils_is_put_right_in_a_second_pass():
    def spoils_b(kernel, text):
        kernel[A], kernel[B] = text, "99"

    kernel = FakeKernel({A: "5", B: "5"}, {A: spoils_b})
    _, leftovers = run(kernel, [undo([(A, "1")]), undo([(B, "1")])])
    assert leftovers == []
    assert kernel.shown() == {A: "1", B: "1"}


def test_of_many_undos_of_one_place_the_oldest_wins():
    kernel = FakeKernel({A: "9"})
    changed, leftovers = run(kernel, [undo([(A, "1")]), undo([(A, "5")]), undo([(A, "7")])])
    assert kernel[A] == "1"
    assert (changed, leftovers) == ([(A, "9")], [])


@given(st.lists(st.sampled_from([A, B, C]), min_size=1, max_size=8), st.sets(st.sampled_from([A, B, C])))
def test_what_is_left_over_is_exactly_what_differs(order, refusing):
    def refuse(kernel, text):
        raise refusal(errno.EPERM)

    kernel = FakeKernel({A: "9", B: "9", C: "9"}, dict.fromkeys(refusing, refuse))
    undos = [undo([(path, str(number))]) for number, path in enumerate(order)]
    wanted = {}
    for number, path in enumerate(order):
        wanted.setdefault(path, str(number))
    _, leftovers = run(kernel, undos)
    assert {leftover.path for leftover in leftovers} == set(order) & refusing
    for path in set(order) - refusing:
        assert kernel[path] == wanted[path]
    for leftover in leftovers:
        assert (leftover.wanted, leftover.found) == (wanted[leftover.path], "9")


def test_what_is_as_it_was_is_not_written():
    kernel = FakeKernel({A: "4096\t131072\t6291456"})
    assert run(kernel, [undo([(A, "4096 131072 6291456")])]) == ([], [])
    assert kernel.log == []


def test_a_place_that_is_gone_is_left_over_and_the_others_are_restored():
    kernel = FakeKernel({B: "9"})
    changed, leftovers = run(kernel, [undo([(A, "1")]), undo([(B, "1")])])
    assert kernel[B] == "1"
    assert [leftover.path for leftover in leftovers] == [A]
    assert "unreadable" in leftovers[0].found
    assert len(changed) == 2


@pytest.mark.parametrize(
    ("path", "text", "netns", "command"),
    [
        ("/proc/sys/vm/swappiness", "60", "", "sysctl -w vm.swappiness=60"),
        (
            "/proc/sys/net/ipv4/tcp_rmem",
            "4096\t131072\t6291456",
            "",
            "sysctl -w 'net.ipv4.tcp_rmem=4096 131072 6291456'",
        ),
        (
            "/proc/sys/net/ipv4/neigh/eth0.100/delay_first_probe_time",
            "5",
            "",
            "sysctl -w net/ipv4/neigh/eth0.100/delay_first_probe_time=5",
        ),
        (
            "/sys/block/sda/queue/scheduler",
            "none",
            "",
            "printf '%s\\n' none > /sys/block/sda/queue/scheduler",
        ),
        (
            "/proc/sys/net/core/somaxconn",
            "128",
            "/run/netns/blue",
            "nsenter --net=/run/netns/blue sh -c 'sysctl -w net.core.somaxconn=128'",
        ),
    ],
)
def test_the_command_sets_the_place(path, text, netns, command):
    assert command_for(path, text, netns) == command


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0[]"), min_size=1))
def test_no_text_escapes_from_its_command(text):
    """Brackets apart: they mark the chosen word of a choice."""
    words = shlex.split(command_for("/proc/sys/kernel/x", text))
    assert words[:2] == ["sysctl", "-w"]
    assert words[2:] == ["kernel.x=" + " ".join(text.split())]


def leftover_commands(kernel, undos):
    return [leftover.command for leftover in run(kernel, undos)[1]]


def test_the_command_of_a_pair_writes_the_half_that_can_be_written():
    """``sysctl -w vm.dirty_bytes=0`` is EINVAL: the way back is the ratio."""

    def stuck(kernel, text):
        raise refusal(errno.EROFS)

    kernel = dirty_pair(dirty_ratio="0", dirty_bytes="16777216")
    kernel.reactions = {Place(RATIO): stuck, Place(BYTES): stuck}
    commands = leftover_commands(kernel, [undo([(RATIO, "20")], [(RATIO, "20"), (BYTES, "0")])])
    assert commands == ["sysctl -w vm.dirty_ratio=20", "sysctl -w vm.dirty_ratio=20"]


def test_the_command_of_a_choice_writes_the_chosen_word():
    """The kernel refuses the whole line of choices with EINVAL."""

    def stuck(kernel, text):
        raise refusal(errno.EROFS)

    kernel = FakeKernel({THP: "[always] madvise never"}, {THP: stuck})
    commands = leftover_commands(kernel, [undo([(THP, "madvise")], [(THP, "always [madvise] never")])])
    assert commands == [f"printf '%s\\n' madvise > {THP}"]
