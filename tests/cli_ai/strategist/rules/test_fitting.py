"""Ranges for this host: inside the catalogue's, around what there is, and never across a comparison."""

from __future__ import annotations

import pytest

from cli_ai.discovery.facts import HostFacts
from cli_ai.strategist.rules.fitting import fit, host_numbers, loosened
from support_strategist import HOSTS, host
from tactician import catalogue


def facts(**values: str) -> HostFacts:
    names = {name.replace("__", "."): text for name, text in values.items()}
    return HostFacts(knobs=tuple(names), writable=tuple(names), values=names, cores=4, memory_bytes=1 << 33)


def range_of(name: str, given: HostFacts, **asked) -> tuple[float, float]:
    found = fit(name, given, **asked)
    assert found is not None
    return found.item["min"], found.item["max"]


def test_a_range_on_a_log_scale_is_narrowed_around_what_there_is() -> None:
    assert range_of("net.core.netdev_max_backlog", facts(net__core__netdev_max_backlog="1000")) == (
        100,
        16000,
    )


def test_a_field_of_a_triple_stays_above_its_neighbour() -> None:
    low, high = range_of("net.ipv4.tcp_wmem[2]", facts(net__ipv4__tcp_wmem="4096\t1048576\t4194304"))
    assert low >= 1048576
    assert high == 8 * 4194304


def test_a_comparison_with_a_knob_that_is_not_tuned_cuts_the_range() -> None:
    given = facts(vm__dirty_ratio="20", vm__dirty_background_ratio="10")
    assert range_of("vm.dirty_background_ratio", given)[1] == 19
    assert range_of("vm.dirty_ratio", given)[0] == 11


def test_where_both_are_tuned_the_whole_range_is_searched() -> None:
    given = facts(vm__dirty_ratio="20", vm__dirty_background_ratio="10")
    found = fit("vm.dirty_background_ratio", given)
    assert found is not None
    both = ["vm.dirty_background_ratio", "vm.dirty_ratio"]
    assert loosened(found, both, given).item["max"] == 30
    assert loosened(found, both[:1], given).item["max"] == 19


def test_a_value_that_means_something_else_is_left_alone() -> None:
    assert fit("vm.dirty_ratio", facts(vm__dirty_ratio="0", vm__dirty_bytes="16777216")) is None


def test_a_preferred_range_only_narrows() -> None:
    given = facts(vm__swappiness="60")
    assert range_of("vm.swappiness", given, asked=(50, 1e9)) == (50, 100)
    assert range_of("vm.swappiness", given, asked=(-5, 10)) == (1, 60), "what the host has stays a point"
    assert range_of("vm.swappiness", given, asked=(90, 10)) == (1, 100), "nonsense is not followed"


@pytest.mark.parametrize("name", ["kernel.core_pattern", "vm.overcommit_memory", "postgresql.fsync", "x.y"])
def test_dangerous_and_unknown_knobs_do_not_fit(name: str) -> None:
    assert fit(name, facts()) is None


def test_words_are_those_that_the_kernel_offers() -> None:
    name = "/sys/block/vda/queue/scheduler"
    given = HostFacts(
        values={name: "none [mq-deadline] kyber"},
        disks=({"name": "vda"},),
        memory_bytes=1 << 33,  # type: ignore[arg-type]
    )
    found = fit(name, given)
    assert found is not None
    assert found.item["values"] == ["none", "mq-deadline", "kyber"]
    assert found.now == "mq-deadline"


@pytest.mark.parametrize("name", HOSTS)
def test_every_fitted_range_is_inside_the_catalogue_and_holds_what_there_is(name: str) -> None:
    given = host(name)
    numbers = host_numbers(given)
    count = 0
    for entry in catalogue.entries():
        found = fit(entry.name, given)
        if found is None or "min" not in found.item:
            continue
        limits = catalogue.limits(entry, numbers)
        assert limits is not None
        assert limits[0] <= found.item["min"] < found.item["max"] <= limits[1], entry.name
        if found.now and not entry.fields:
            assert found.item["min"] <= float(given.values[entry.name]) <= found.item["max"], entry.name
        count += 1
    assert count > 100
