"""A setting that is tuned alone keeps to what its live partner allows: asked of real servers."""

from __future__ import annotations

import pytest

import support_services
from oppertune.core.values import Integer, Real
from support_core import make_experiment
from tactician.experiment import ServiceAccess, TunedParameter
from tactician.system.files import RealHost
from tactician.system.preflight import inspect


def setting(target, low, high, kind=Integer):
    return TunedParameter(kind(target, low, low, high), "service", target)


def looked(service, access, *tuned):
    experiment = make_experiment(list(tuned), services={service: access})
    return inspect(experiment, RealHost())


@pytest.mark.needs("postgres", "root", "setpriv")
def test_of_postgresql_both_ends_hold(postgres):
    access = ServiceAccess("postgresql", port=postgres.port)
    seen = looked("postgresql", access, setting("postgresql.min_wal_size", 32, 16384))
    assert not [problem for problem in seen.problems if "wal" in problem.message]
    (tuned,) = seen.experiment.parameters
    assert (tuned.parameter.min, tuned.parameter.max) == (32, 1024)
    assert any("postgresql.max_wal_size is 1024 here" in notice for notice in seen.notices)
    seen = looked("postgresql", access, setting("postgresql.max_wal_size", 33, 2048))
    (tuned,) = seen.experiment.parameters
    assert (tuned.parameter.min, tuned.parameter.max) == (80, 2048)
    seen = looked("postgresql", access, setting("postgresql.random_page_cost", 0.5, 9.0, Real))
    (tuned,) = seen.experiment.parameters
    assert (tuned.parameter.min, tuned.parameter.max) == (1.0, 9.0)


@pytest.mark.needs("postgres", "root", "setpriv")
def test_a_range_without_a_value_left_is_a_problem(postgres):
    access = ServiceAccess("postgresql", port=postgres.port)
    seen = looked("postgresql", access, setting("postgresql.min_wal_size", 2048, 4096))
    assert any("no value left" in problem.message for problem in seen.problems)


@pytest.mark.needs("redis-server", "redis-cli")
def test_of_redis_too(redis):
    access = ServiceAccess("redis", socket=redis.socket)
    seen = looked("redis", access, setting("redis.active-defrag-cycle-min", 1, 90))
    (tuned,) = seen.experiment.parameters
    assert tuned.parameter.max == int(redis.shown("active-defrag-cycle-max"))


@pytest.mark.needs("nginx")
@pytest.mark.parametrize(("line", "most"), [("worker_rlimit_nofile 2048;\n", 2048), ("", 65536)])
def test_of_a_file_what_it_says(line, most):
    with support_services.nginx(line + support_services.NGINX) as server:
        access = ServiceAccess("nginx", path=str(server.path))
        seen = looked("nginx", access, setting("nginx.worker_connections", 512, 65536))
        (tuned,) = seen.experiment.parameters
        assert tuned.parameter.max == most
