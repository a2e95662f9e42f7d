"""Values that a kernel takes and changes, or takes though they make no sense: found, and not left behind."""

from __future__ import annotations

import itertools

import pytest

from end_to_end.support import Namespace
from oppertune.core.values import Categorical, Integer
from support_core import FakeKernel, LoggedGuardian, LoggedJournal, make_experiment
from tactician import catalogue, safety
from tactician.errors import KnobWriteError
from tactician.experiment import TunedParameter
from tactician.interrupts import Interrupts
from tactician.plan import make_plan
from tactician.system.files import RealHost
from tactician.system.sysctl import file_knob
from tactician.transaction import Transaction

BLOCK = "/sys/block/vda/queue/"


def words(name, *values):
    return TunedParameter(Categorical(name, values[0], values), "sysctl", name)


def number(name, value):
    kind = "sysfs" if name.startswith("/") else "sysctl"
    return TunedParameter(Integer(name, value, value, value + 1), kind, name)


def tried(host, tuned, value, netns=""):
    """Try one value, as a trial does."""
    knob = file_knob(tuned, netns)
    log = []
    with Transaction(host, LoggedJournal(log), LoggedGuardian(log), Interrupts()) as transaction:
        transaction.apply(make_plan([knob], {knob.place: host.read(knob.place)}, {tuned.name: value}))


# As measured: what was written, and what the kernel kept.
KEPT = [
    (BLOCK + "nr_requests", "256", 1, "4"),
    (BLOCK + "read_ahead_kb", "8192", 5, "4"),
    (BLOCK + "read_ahead_kb", "8192", 1, "0"),
    (BLOCK + "rotational", "1", 7, "1"),
    (BLOCK + "wbt_lat_usec", "60000", -1, "75000"),
    ("fs.pipe-max-size", "1048576", 5000, "8192"),
    ("kernel.sched_rr_timeslice_ms", "50", 0, "100"),
    ("kernel.sched_rr_timeslice_ms", "50", -1, "100"),
]


@pytest.mark.parametrize(("name", "before", "written", "kept"), KEPT, ids=lambda value: str(value))
def test_a_value_that_the_kernel_replaces_is_found_and_taken_back(name, before, written, kept):
    tuned = number(name, written)
    path = file_knob(tuned).place.path

    def replaces(kernel, text):
        kernel[path] = kept if text == str(written) else text

    kernel = FakeKernel({path: before}, {path: replaces})
    with pytest.raises(KnobWriteError, match=f"keeps '{kept}'"):
        tried(kernel, tuned, written)
    assert kernel[path] == before


@pytest.mark.parametrize(("name", "before", "written", "kept"), KEPT, ids=lambda value: str(value))
def test_such_a_value_is_refused_beforehand(name, before, written, kept):
    assert safety.refusals(make_experiment((number(name, written),)))


pytest_root = pytest.mark.needs("root", "ip", "nsenter")


@pytest.fixture
def namespace():
    made = Namespace()
    yield made
    made.delete()


@pytest_root
@pytest.mark.parametrize(
    ("key", "value"),
    [("net.ipv4.tcp_rmem", "8192 65536"), ("net.ipv4.ip_local_port_range", "40000")],
)
def test_too_few_numbers_change_some_fields_and_keep_the_rest(key, value, namespace):
    before = namespace.read(key.replace(".", "/"))
    with pytest.raises(KnobWriteError, match="the kernel keeps"):
        tried(RealHost(), words(key, value), value, namespace.path)
    assert namespace.read(key.replace(".", "/")) == before
    assert "parts" in safety.refusals(make_experiment((words(key, value),)))[0].message


NONSENSE = [
    ("net.ipv4.tcp_rmem", "131072 4096 1024"), ("net.ipv4.tcp_wmem", "4096 2097152 65536"),
    ("net.ipv4.ip_local_port_range", "40000 40000"), ("net.core.somaxconn", "2147483647"),
    ("net.core.somaxconn", "0"), ("net.ipv4.tcp_max_syn_backlog", "-1"), ("net.ipv4.tcp_fin_timeout", "-1"),
    ("net.ipv4.tcp_max_tw_buckets", "-1"), ("net.ipv4.tcp_retries2", "0"),
]  # fmt: skip


@pytest_root
@pytest.mark.parametrize(("key", "value"), NONSENSE)
def test_nonsense_that_this_kernel_takes_without_a_word_is_refused_by_us(key, value, namespace):
    tried(RealHost(), words(key, value), value, namespace.path)  # reads back as it was written
    assert safety.refusals(make_experiment((words(key, value),)))


@pytest_root
@pytest.mark.parametrize("key", ["net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem"])
def test_three_fields_move_in_one_write_between_far_ends(key, namespace):
    file = key.replace(".", "/")
    parameters = [
        TunedParameter(Integer(f"{key}[{i}]", 4096, 4096, 2**28), "sysctl", f"{key}[{i}]") for i in range(3)
    ]
    knobs = [file_knob(tuned, namespace.path) for tuned in parameters]
    host, log = RealHost(), []
    wanted = {tuned.name: value for tuned, value in zip(parameters, (2**20, 2**24, 2**27), strict=True)}
    before = namespace.read(file)
    with Transaction(host, LoggedJournal(log), LoggedGuardian(log), Interrupts()) as transaction:
        transaction.apply(make_plan(knobs, {knobs[0].place: before}, wanted))
        assert namespace.read(file).split() == [str(2**20), str(2**24), str(2**27)]
    assert namespace.read(file) == before


@pytest_root
def test_the_ends_of_every_range_of_a_namespace_are_taken_as_they_are(namespace):
    """Whatever is called safe is a value that this kernel takes, keeps, and gives back."""
    tried_ends = 0
    for entry in catalogue.entries("net."):
        if entry.scope != "namespace" or "{" in entry.name or entry.values or entry.fields:
            continue
        known = catalogue.resolve(entry, safety.SMALL_HOST)
        if known.low is None:
            continue
        try:
            before = namespace.read(entry.name.replace(".", "/"))
        except FileNotFoundError:
            continue
        for value in (known.low, known.high):
            tuned = TunedParameter(Integer(entry.name, value, value, value), "sysctl", entry.name)
            try:
                tried(RealHost(), tuned, value, namespace.path)
            except KnobWriteError as error:
                partners = [text for text in entry.constraints if entry.name in text]
                assert partners, f"{entry.name} = {value}: {error}"
                continue
            tried_ends += 1
        assert namespace.read(entry.name.replace(".", "/")) == before
    assert tried_ends > 100


def test_every_case_of_the_table_is_catalogued():
    names = {name for name, *_ in itertools.chain(KEPT, NONSENSE)}
    assert all(catalogue.entry(name) is not None for name in names)
