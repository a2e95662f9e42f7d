"""Joins what one benchmark run needs: on this host, or on one that is simulated."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

from tactician.experiment import Experiment
from tactician.guardrails.checks import Checks
from tactician.guardrails.guard import HostGuard
from tactician.interrupts import Interrupts
from tactician.options import Options
from tactician.ports import Guardian, Host, Journal
from tactician.search_arguments import duration_hint
from tactician.simulated.host import SimulatedBenchmark, SimulatedHost, SimulatedMonitor
from tactician.simulated.surfaces import workload_surface
from tactician.system.benchmark import CommandBenchmark, render
from tactician.system.benchmark_user import User, find_user
from tactician.system.files import RealHost
from tactician.system.guarding import GuardianProcess, NoGuardian, NoJournal, RunJournal, run_header
from tactician.system.helper_host import Helped
from tactician.system.home import Home
from tactician.system.hostlock import HostLock
from tactician.system.preflight import Preflight
from tactician.system.procfs import ProcMonitor
from tactician.system.service.host import ServiceHost
from tactician.trial import Bench
from tactician.undo.journal import Entry


def real_bench(
    experiment: Experiment,
    seen: Preflight,
    options: Options,
    host: RealHost,
    home: Home,
    locks: Sequence[HostLock],
    run_id: str,
    netns: str,
    helped: Helped | None = None,
) -> tuple[Bench, Callable[[bool], None]]:
    """Return a bench, and what gives back lock, journal and guardian once the host is restored (True) or not.

    Raises:
        JournalError: no journal can be made, so nothing may be written.
    """
    rendered = functools.partial(render, experiment)
    if options.dry_run:
        bench = _simulated_bench(experiment, seen, ServiceHost(host, seen.services), rendered)
        return bench, lambda clean: None
    user = find_user(experiment.workload.user)
    journal = RunJournal.create(home.journals, _header(experiment, run_id, user))
    guardian = GuardianProcess(journal.file.path, *locks)
    home.register()

    def release(clean: bool) -> None:
        if clean:
            guardian.dismiss()
            journal.file.close()
            home.unregister()
        else:
            journal.file.release()
        for lock in locks:
            lock.release()
        if helped is not None:
            helped.connection.close()

    joined: tuple[Journal, Guardian] = (journal, guardian)
    if helped is not None:
        joined = helped.ports(journal, guardian)
    guard = _guard(experiment, netns, user)
    bench = Bench(
        ServiceHost(host, seen.services, journal),
        seen.knobs,
        CommandBenchmark(experiment, journal, run_id, netns, user, guard.crossed if guard else None),
        ProcMonitor(),
        joined[0],
        joined[1],
        Interrupts(),
        rendered,
        guard,
    )
    return bench, release


def _header(experiment: Experiment, run_id: str, user: User | None) -> Entry:
    workload = experiment.workload
    return run_header(
        run_id,
        teardown=workload.teardown_command,
        environment={**(user.environment if user else {}), **workload.environment},
        throw_away=experiment.throw_away,
        prefix=user.prefix if user else (),
    )


def _guard(experiment: Experiment, netns: str, user: User | None) -> HostGuard | None:
    limits = experiment.guardrails
    if not limits.enabled:
        return None
    environment = {**(user.environment if user else {}), **experiment.workload.environment}
    return HostGuard(limits, Checks(limits, environment, netns, user.prefix if user else ()))


def _simulated_bench(
    experiment: Experiment, seen: Preflight, host: Host, rendered: Callable[..., str]
) -> Bench:
    places = dict.fromkeys(knob.place for knob in seen.knobs)
    texts = {place: host.read(place) for place in places}
    surface = workload_surface([tuned.parameter for tuned in experiment.parameters], experiment.workload_name)
    seconds = duration_hint(experiment) or 10.0
    benchmark = SimulatedBenchmark(
        surface,
        maximize=experiment.metric.goal != "minimize",
        seconds=seconds,
        random_seed=experiment.random_seed,
    )
    monitor = SimulatedMonitor(experiment.random_seed)
    return Bench(
        SimulatedHost(texts),
        seen.knobs,
        benchmark,
        monitor,
        NoJournal(),
        NoGuardian(),
        Interrupts(),
        rendered,
    )
