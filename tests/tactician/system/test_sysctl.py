"""Knobs of the kernel: which file, which field, and text that the kernel reads as it was meant."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oppertune.core.values import Categorical, Integer, Real
from tactician.experiment import TunedParameter
from tactician.ports import Place
from tactician.system.sysctl import FileKnob, file_knob, path_of, split_field
from tactician.testing import contract

WHOLE = Integer("x", 0, min=-(2**62), max=2**62)
REAL = Real("x", 0.5, min=-1e300, max=1e300)
WORDS = Categorical("x", "one", categories=["one", "two"])
NAME = st.from_regex(r"[a-z][a-z0-9_-]{0,12}", fullmatch=True)


def knob(parameter: Integer | Real | Categorical, index: int | None = None) -> FileKnob:
    return FileKnob(parameter, Place("/proc/sys/some/key"), index)


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("vm.swappiness", "vm/swappiness"),
        ("vm/swappiness", "vm/swappiness"),
        ("net.ipv4.conf.eth0/100.rp_filter", "net/ipv4/conf/eth0.100/rp_filter"),
        ("net/ipv4/conf/eth0.100/rp_filter", "net/ipv4/conf/eth0.100/rp_filter"),
        ("kernel/domain.name", "kernel/domain.name"),
        ("alone", "alone"),
    ],
)
def test_the_first_separator_decides_which_file(key: str, path: str) -> None:
    assert path_of(key) == f"/proc/sys/{path}"


@given(st.lists(NAME, min_size=2, max_size=5))
def test_dots_and_slashes_name_the_same_file(parts: list[str]) -> None:
    assert path_of(".".join(parts)) == path_of("/".join(parts)) == "/proc/sys/" + "/".join(parts)


@given(st.lists(NAME, min_size=2, max_size=5), st.integers(0, 9999))
def test_a_field_is_split_off_and_the_key_kept(parts: list[str], index: int) -> None:
    key = ".".join(parts)
    assert split_field(f"{key}[{index}]") == (key, index)
    assert split_field(key) == (key, None)


def test_a_pair_of_keys_is_coupled() -> None:
    tuned = TunedParameter(Integer("vm.dirty_bytes", 2**20, min=2**20, max=2**30), "sysctl", "vm.dirty_bytes")
    assert file_knob(tuned).coupled == (Place("/proc/sys/vm/dirty_ratio"),)


def test_a_sysfs_parameter_is_its_own_path() -> None:
    path = "/sys/kernel/mm/transparent_hugepage/enabled"
    tuned = TunedParameter(Categorical(path, "never", categories=["always", "never"]), "sysfs", path)
    assert file_knob(tuned, "/run/netns/x").place == Place(path, "/run/netns/x")


@given(st.integers(-(2**62), 2**62))
def test_a_whole_number_is_written_in_decimal_and_read_back(value: int) -> None:
    text = knob(WHOLE).encode("0", value)
    assert re.fullmatch(r"-?(0|[1-9][0-9]*)", text)
    assert knob(WHOLE).decode(f"{text}\n") == value
    assert knob(WHOLE).shows(text, value)


@given(st.floats(-1e300, 1e300, allow_nan=False, allow_infinity=False))
def test_a_real_number_is_written_in_decimal_and_read_back(value: float) -> None:
    """The kernel refuses 1e-05 and 1e+16, so an exponent must never reach it."""
    text = knob(REAL).encode("0", value)
    assert re.fullmatch(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?", text)
    assert knob(REAL).decode(text) == value


@given(st.lists(st.integers(0, 2**40), min_size=1, max_size=8), st.data())
def test_of_several_fields_one_changes_and_the_others_stay(fields: list[int], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(fields) - 1))
    value = data.draw(st.integers(0, 2**40))
    chosen = knob(WHOLE, index)
    shown = "\t".join(map(str, fields))
    written = chosen.encode(shown, value)
    expected = [*fields[:index], value, *fields[index + 1 :]]
    assert [int(word) for word in written.split()] == expected
    assert chosen.decode(shown) == fields[index]
    assert chosen.shows(written, value)
    assert chosen.restoring(shown).split() == shown.split()


def test_a_field_that_is_not_there_is_an_error_that_counts_the_fields() -> None:
    with pytest.raises(ValueError, match=r"3 fields, there is no \[3\]"):
        knob(WHOLE, 3).decode("4096\t131072\t6291456")


def test_of_a_choice_the_chosen_one_counts() -> None:
    choice = knob(Categorical("x", "never", categories=["always", "madvise", "never"]))
    assert choice.decode("always [madvise] never\n") == "madvise"
    assert choice.restoring("always [madvise] never") == "madvise"
    assert choice.shows("[always] madvise never", "always")
    assert not choice.shows("[always] madvise never", "never")
    contract.check_knob(choice, "always [madvise] never", ["always", "never"])


def test_blanks_are_all_the_same() -> None:
    ports = knob(Categorical("x", "1024 65535", categories=["1024 65535", "20000 60000"]))
    assert ports.decode("32768\t60999\n") == "32768 60999"
    assert ports.shows("1024\t65535", "1024 65535")


@pytest.mark.parametrize("text", ["cubic", "", "1e2", "10.5", "0x20", "4096 131072"])
def test_what_is_no_whole_number_is_never_taken_for_one(text: str) -> None:
    with pytest.raises(ValueError, match="whole number"):
        knob(WHOLE).decode(text)
    assert not knob(WHOLE).shows(text, 4096)


def test_zero_is_a_value() -> None:
    assert knob(WHOLE).decode("0") == 0
    assert knob(WHOLE).shows("0", 0)
    assert knob(WHOLE).encode("60", 0) == "0"


@given(st.integers(-(2**40), 2**40))
def test_every_knob_keeps_the_laws_of_its_port(value: int) -> None:
    contract.check_knob(knob(WHOLE), f"{value}\n", [value, value + 1])
    contract.check_knob(knob(WHOLE, 1), f"1\t{value}\t3", [value])
    contract.check_knob(knob(WORDS), "one\n", ["one", "two"])


@given(st.integers(-(2**50), 2**50))
def test_a_real_number_that_is_whole_has_no_fraction(value: int) -> None:
    """The kernel refuses 4096.0 where it keeps whole numbers."""
    assert knob(REAL).encode("0", float(value)) == str(value)
