"""What the plots of the peers show; drawing itself needs matplotlib, and is looked at."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from plots.style import shortened

from peers import pictures
from peers.instances import LOOKS
from peers.players import ADAPTERS


def line(peer, regret, looks=LOOKS):
    return {"peer": peer, "regret_own_choice": {str(n): regret / n for n in looks}}


def test_a_curve_is_the_geometric_mean_over_the_instances():
    found = pictures.curves([line("one", 1.0), line("one", 0.25), line("other", 0.5)])
    expected = [np.sqrt((1.0 / n + 0.02) * (0.25 / n + 0.02)) for n in LOOKS]
    assert found["one"] == pytest.approx(expected)
    assert found["other"] == pytest.approx([0.5 / n + 0.02 for n in LOOKS])


def test_a_curve_has_a_gap_where_nothing_was_recorded():
    found = pictures.curves([line("one", 1.0, (20, 50, 100))])["one"]
    assert [n for n, value in zip(LOOKS, found, strict=True) if np.isfinite(value)] == [20, 50, 100]


def test_every_peer_has_a_name_for_people():
    assert all(pictures.shown(peer)[0] != peer for peer in ADAPTERS if peer != "random")
    assert pictures.shown("tpe") == ("tpe", pictures.GREY)


@given(x=st.floats(0.0, 1000.0), y=st.floats(-1000.0, 1000.0))
def test_a_shorter_file_has_the_same_places(x, y):
    path = f'<path d="M {x:.6f} {y:.6f} \nL {y:.6f} {x:.6f} \n" transform="scale(0.015625)"/>'
    short = shortened(path)
    assert short.endswith('" transform="scale(0.015625)"/>')
    places = [float(number) for number in re.findall(r"-?\d+\.\d+", short)[:4]]
    assert places == pytest.approx([x, y, y, x], abs=0.1001)
    assert len(short) <= len(path) - 4 * 5
