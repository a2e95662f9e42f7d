"""Joins what one benchmark run needs: on this host, or on one that is simulated."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

from tactician.experiment import Experiment
from tactician.interrupts import Interrupts
from tactician.options import Options
from tactician.ports import Place
from tactician.search_arguments import duration_hint
from tactician.simulated.host import SimulatedBenchmark, SimulatedHost, SimulatedMonitor
from tactician.simulated.surfaces import workload_surface
from tactician.system.benchmark import CommandBenchmark, render
from tactician.system.files import RealHost
from tactician.system.guarding import GuardianProcess, NoGuardian, NoJournal, RunJournal, run_header
from tactician.system.home import Home
from tactician.system.hostlock import HostLock
from tactician.system.preflight import Preflight
from tactician.system.procfs import ProcMonitor
from tactician.trial import Bench


def real_bench(
    experiment: Experiment,
    seen: Preflight,
    options: Options,
    host: RealHost,
    home: Home,
    locks: Sequence[HostLock],
    run_id: str,
    netns: str,
) -> tuple[Bench, Callable[[bool], None]]:
    """Return a bench, and what gives back lock, journal and guardian once the host is restored (True) or not.

    Raises:
        JournalError: no journal can be made, so nothing may be written.
    """
    rendered = functools.partial(render, experiment)
    if options.dry_run:
        return _simulated_bench(experiment, seen, host, rendered), lambda clean: None
    workload = experiment.workload
    header = run_header(
        run_id,
        teardown=workload.teardown_command,
        environment=workload.environment,
        throw_away=experiment.throw_away,
    )
    journal = RunJournal.create(home.journals, header)
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

    bench = Bench(
        host,
        seen.knobs,
        CommandBenchmark(experiment, journal, run_id, netns),
        ProcMonitor(),
        journal,
        guardian,
        Interrupts(),
        rendered,
    )
    return bench, release


def _simulated_bench(
    experiment: Experiment, seen: Preflight, host: RealHost, rendered: Callable[..., str]
) -> Bench:
    texts: dict[Place, str] = {knob.place: host.read(knob.place) for knob in seen.knobs}
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
