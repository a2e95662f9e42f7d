"""Spellings of numbers and units."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tactician.system.parsers.metrics import direction_of
from tactician.system.parsers.units import Quantity, normalise, parse_number, parse_quantity, shifted

FACTORS = {
    "ns": (1e-9, "s"),
    "us": (1e-6, "s"),
    "ms": (1e-3, "s"),
    "s": (1.0, "s"),
    "secs": (1.0, "s"),
    "usecs/op": (1e-6, "s"),
    "B": (1.0, "B"),
    "kB": (1e3, "B"),
    "KiB": (2.0**10, "B"),
    "MiB": (2.0**20, "B"),
    "GiB/s": (2.0**30, "B/s"),
    "MB/s": (1e6, "B/s"),
    "MiB/sec": (2.0**20, "B/s"),
    "Gbits/sec": (1e9, "bit/s"),
    "Mbit/s": (1e6, "bit/s"),
    "ops/sec": (1.0, "1/s"),
    "requests/s": (1.0, "1/s"),
    "kops/s": (1e3, "1/s"),
    "tps": (1.0, "1/s"),
    "%": (1.0, "%"),
}


@given(
    st.floats(min_value=1e-6, max_value=1e12), st.sampled_from(sorted(FACTORS)), st.sampled_from(["", " "])
)
def test_units_round_trip(value: float, unit: str, space: str) -> None:
    factor, normal = FACTORS[unit]
    quantity = parse_quantity(f"{value!r}{space}{unit}")
    assert quantity is not None
    assert quantity.unit == normal
    assert math.isclose(quantity.value, value * factor, rel_tol=1e-12)


@given(st.floats(allow_nan=False))
def test_numbers_round_trip(value: float) -> None:
    assert parse_number(repr(value)) == value


@given(st.integers(min_value=-(10**6), max_value=10**6), st.sampled_from([-9, -6, -3]))
def test_shifting_is_exact_in_decimal(thousandths: int, power: int) -> None:
    assert shifted(float(f"{thousandths}e-3"), power) == float(f"{thousandths}e{power - 3}")


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [
        ("12.5 MB/s (something)", 12.5e6, "B/s"),
        ("10.4k", 10400, ""),
        ("10.4k req/s", 10400, "1/s"),
        ("1,234,567", 1234567, ""),
        ("1e3", 1000, ""),
        (".5 ms", 0.0005, "s"),
        ("-3", -3, ""),
        ("5 apples", 5, ""),
        ("5 requests per second", 5, "1/s"),
        ("4238.02 [#/sec] (mean)", 4238.02, "1/s"),
        ("2.942 [sec]", 2.942, "s"),
        ("1.5 µs", 0.0000015, "s"),
        ("2 min", 120, "s"),
        ("0", 0, ""),
        ("5 tops/s", 5, "1/s"),
        ("5 Kops/s", 5000, "1/s"),
        ("5 gtps", 5, ""),
    ],
)
def test_quantities(text: str, value: float, unit: str) -> None:
    assert parse_quantity(text) == Quantity(value, unit)


@pytest.mark.parametrize("text", ["", "abc", "k5", "--5", "%", "ms 5"])
def test_what_begins_with_no_number_is_no_quantity(text: str) -> None:
    assert parse_quantity(text) is None


def test_megabytes_are_binary_only_where_asked() -> None:
    assert normalise(1, "MB") == Quantity(1e6, "B")
    assert normalise(1, "MB", binary=True) == Quantity(2.0**20, "B")
    assert normalise(1, "Mbits/s", binary=True) == Quantity(1e6, "bit/s")


@given(st.text(alphabet="kKmMgGtTiIbBpPsSoOrReEqQ/ %.µ") | st.text(), st.booleans())
def test_no_text_makes_units_raise(text: str, binary: bool) -> None:
    parse_quantity(text, binary=binary)
    parse_quantity(f"5{text}", binary=binary)
    normalise(5.0, text, binary=binary)


@pytest.mark.parametrize(
    ("name", "unit", "direction"),
    [
        ("latency_p99", "", "minimize"),
        ("total_time", "", "minimize"),
        ("x", "s", "minimize"),
        ("x", "B/s", "maximize"),
        ("requests_per_second", "", "maximize"),
        ("errors_per_second", "", "maximize"),
        ("error_rate", "1/s", "minimize"),
        ("failure rate", "", "minimize"),
        ("score", "", "maximize"),
        ("colour", "", None),
        ("timeline", "", None),
    ],
)
def test_better_direction(name: str, unit: str, direction: str | None) -> None:
    assert direction_of(name, unit) == direction
