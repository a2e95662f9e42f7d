"""The only module that names concrete adapters: an experiment and flags in, a tuner out."""

from __future__ import annotations

import contextlib
import dataclasses
import secrets
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

from oppertune.algorithms.all import create_tuning_instance, get_algorithm_class
from oppertune.algorithms.auto import Auto
from oppertune.errors import OppertuneError
from tactician import safety
from tactician.benches import real_bench
from tactician.config import load_experiment, parse_experiment
from tactician.environment import TuningEnv
from tactician.errors import (
    ConfigurationError,
    MisuseError,
    PreflightError,
    Problem,
    RefusedError,
    RestoreError,
)
from tactician.events import Event
from tactician.experiment import Experiment
from tactician.options import Options
from tactician.power import cannot_prove
from tactician.search_arguments import TELL_CONTEXTS_APART, duration_hint, keeps_to_a_floor, search_arguments
from tactician.session import Session
from tactician.storage.history import History, new_run_id
from tactician.storage.records import RunRecord
from tactician.system import facts, namespace
from tactician.system.applications import awaiting, settle
from tactician.system.benchmark_user import explain, find_user
from tactician.system.files import RealHost, real_path
from tactician.system.helper_host import find_help
from tactician.system.home import Home
from tactician.system.hostlock import HostLock
from tactician.system.ownership import survey
from tactician.system.preflight import Preflight, inspect, place_exists
from tactician.system.sysctl import is_per_namespace
from tactician.trial import Bench
from tactician.tuner import Replayed, Tuner
from tactician.undo.recover import Recovery, recover_folder

Observers = Sequence[Callable[[Event], None]]


def load_document(path: str | Path, overrides: Mapping[str, object] | None = None) -> Experiment:
    """Read a configuration, with what the command line overrides.

    Raises:
        ConfigurationError: every mistake, by path.
    """
    experiment = load_experiment(path)
    if not overrides:
        return experiment
    return parse_experiment({**experiment.document, **overrides}, str(path))


def check(experiment: Experiment, options: Options) -> None:
    """Refuse what is unsafe or unknown, before the host is even looked at.

    Raises:
        RefusedError, ConfigurationError: with every reason.
    """
    refused = safety.refusals(
        experiment,
        options.allow_durability,
        options.allow_uncatalogued,
        facts=facts.numbers(),
        real_path=lambda path: real_path(path, options.root),
        exists=lambda key: place_exists(key, RealHost(options.root), experiment.network_namespace),
    )
    if refused:
        raise RefusedError(refused)
    if hopeless := cannot_prove(experiment.target_improvement, experiment.verification.rounds):
        raise PreflightError([Problem("target_improvement", hopeless)])
    try:
        get_algorithm_class(experiment.algorithm)
    except OppertuneError as error:
        raise ConfigurationError([Problem("algorithm", str(error).strip("'\""))]) from error
    if experiment.max_regression is not None and not keeps_to_a_floor(experiment.algorithm):
        message = f"{experiment.algorithm} cannot keep to it; search with auto or bayesian_optimization"
        raise RefusedError([Problem("max_regression", message)])


def recover(home: Home) -> list[Recovery]:
    """Restore what runs that died left behind, and take back what was applied and not confirmed in time.

    Raises:
        RestoreError: some of it cannot be restored; no new run may begin on such a host.
        RefusedError: an application awaits its confirmation; its values would be taken for originals.
    """
    recoveries = recover_folder(home.journals) + settle(home)
    leftovers = [leftover for recovery in recoveries for leftover in recovery.leftovers]
    if leftovers:
        raise RestoreError([Problem(leftover.path, str(leftover)) for leftover in leftovers])
    if waiting := awaiting(home):
        raise RefusedError(waiting)
    return recoveries


class Wired:
    """A tuner that is ready to run, and what it holds. Close it if it is not run."""

    def __init__(self, session: Session, tuner: Tuner, run_id: str) -> None:
        self.session = session
        self.tuner = tuner
        self.run_id = run_id


def wire(
    experiment: Experiment,
    options: Options,
    observers: Observers = (),
    *,
    home: Home | None = None,
    resume: RunRecord | None = None,
) -> Wired:
    """Join an experiment with this host, or with a simulated one.

    Takes the host's lock, recovers leftovers, looks at every place, opens history and journal.
    Nothing of the host is written.

    Args:
        experiment: as read from its file.
        options: flags.
        observers: are told everything, beside the history.
        home: where state lives.
        resume: a run to go on with.

    Raises:
        OperatorError: something is to be corrected; all of it is listed.
        HostError: history or journal cannot be written.
    """
    home = home or Home.find()
    check(experiment, options)
    with contextlib.ExitStack() as stack:
        helped = None if options.dry_run else find_help(experiment)
        if helped is not None:
            stack.callback(helped.connection.close)
        netns = namespace.path_of(experiment.network_namespace)
        # The helper takes them for us: it must know that nobody else is at work.
        locks = _locks(experiment, netns) if helped is None else []
        recovered: list[Recovery] = []
        if not options.dry_run:
            for lock in locks:
                lock.acquire()
                stack.callback(lock.release)
            recovered = recover(home)
        host = RealHost(options.root) if helped is None else helped.host
        run_id = resume.id if resume else new_run_id()
        if helped is not None:
            helped.begin(run_id)
        seen = _inspected(experiment, options, host, netns)
        ready = dataclasses.replace(seen.experiment, random_seed=_seed(experiment, resume))
        history = History(home.history)
        bench, release = real_bench(ready, seen, options, host, home, locks, run_id, netns, helped)
        stack.pop_all()
    session = _session(ready, seen, bench, release, run_id, history, observers)
    try:
        tuner = _tuner(session, seen, options, resume)  # first: what is refused here is no run
        _enter_in_history(history, session, options, resume)
    except BaseException:
        session.close()
        raise
    _tell(session, seen, recovered)
    if not options.dry_run:
        for owner in survey(seen.experiment, options.root):
            session.notice(owner.notice, warning=True)
    return Wired(session, tuner, run_id)


def _session(
    experiment: Experiment,
    seen: Preflight,
    bench: Bench,
    release: Callable[[bool], None],
    run_id: str,
    history: History,
    observers: Observers,
) -> Session:
    def warn(text: str) -> None:
        session.notice(text, warning=True)

    session = Session(
        experiment,
        bench,
        run_id=run_id,
        original=seen.original,
        observers=[history.observer(warn), *observers],
        clock=time.monotonic,
        release=release,
    )
    return session


def _enter_in_history(history: History, session: Session, options: Options, resume: RunRecord | None) -> None:
    if resume is not None:
        history.continue_run(resume.id)
        return
    history.create_run(
        session.run_id,
        session.experiment,
        dry_run=options.dry_run,
        host=facts.summary(),
        original=session.original,
        baseline=session.baseline,
    )


def open_environment(
    config: str | Path,
    *,
    dry_run: bool = False,
    observers: Observers = (),
    allow_uncatalogued: Collection[str] = (),
) -> TuningEnv:
    """Open a configuration as a Gymnasium environment; use it as a context manager.

    Args:
        config: JSON or YAML.
        dry_run: simulate host and benchmark.
        observers: are told everything, beside the history.
        allow_uncatalogued: places that may be tuned although no catalogue knows them.

    Raises:
        TacticianError: as :func:`wire` and :meth:`Session.start`.
    """
    experiment = load_document(config)
    if experiment.throw_away and not namespace.inside_throw_away() and not dry_run:
        message = "an environment runs in your own process; start that in a namespace: unshare -rn python ..."
        raise PreflightError([Problem("network_namespace", message)])
    wired = wire(experiment, Options(dry_run=dry_run, allow_uncatalogued=allow_uncatalogued), observers)
    return TuningEnv(wired.session)


def _locks(experiment: Experiment, netns: str) -> list[HostLock]:
    """Return the locks to take: the namespace's, and the host's own where host-wide values are tuned too."""
    locks = [HostLock(netns)]
    if netns and any(tuned.on_host and not is_per_namespace(tuned) for tuned in experiment.parameters):
        locks.append(HostLock())
    return locks


def _inspected(experiment: Experiment, options: Options, host: RealHost, netns: str) -> Preflight:
    seen = inspect(experiment, host, netns, will_write=not options.dry_run)
    problems = list(seen.problems)
    if seen.absent and not options.skip_absent:
        problems = [*seen.absent, *problems]
    elif seen.absent and not seen.experiment.parameters:
        problems = [*seen.absent, Problem("action_space", "nothing is left to tune"), *problems]
    if problems:
        raise PreflightError(problems)
    return seen


def _tuner(session: Session, seen: Preflight, options: Options, resume: RunRecord | None) -> Tuner:
    experiment = session.experiment
    try:
        parameters = [tuned.parameter for tuned in experiment.parameters]
        search = create_tuning_instance(experiment.algorithm, parameters, search_arguments(session))
    except (OppertuneError, TypeError) as error:
        raise ConfigurationError([Problem("algorithm_args", str(error))]) from error
    if isinstance(search, Auto):
        session.notice(f"{search.choice} searches: {search.reason}")
    replayed: list[Replayed] = []
    if resume is not None:
        if set(resume.original) - set(experiment.names):
            raise MisuseError(f"run {resume.id} tuned other parameters than this configuration")
        recorded = resume.outcomes("trial")
        replayed = [Replayed(entry.outcome, entry.request_id, entry.context) for entry in recorded]
        spent = sum(measured.outcome.seconds for measured in resume.measurements)
        baselines = resume.of("baseline")
        first = sum(entry.arm != "drift" for entry in baselines)
        session.resume([entry.outcome for entry in baselines], spent, first)
    typical = duration_hint(experiment)
    return Tuner(
        session,
        search,
        undo=_undo_sentence(experiment, options, seen),
        dry_run=options.dry_run,
        seconds_estimate=None if typical is None else session.seconds_estimate(typical),
        replayed=replayed,
        observes=experiment.algorithm not in TELL_CONTEXTS_APART,
    )


def _undo_sentence(experiment: Experiment, options: Options, seen: Preflight) -> str:
    if options.dry_run:
        return "nothing is written and no benchmark is started: host and benchmark are simulated"
    if not seen.knobs:
        return "nothing on this host is changed; the parameters are arguments of the benchmark"
    if experiment.throw_away:
        return "all values live in a network namespace that ends with this run; the host's own stay untouched"
    return (
        "each value is put back and read back after every run; the originals are on disk before the first "
        "write, a guardian process restores if this one is killed, 'tactician recover' does if both are"
    )


def _tell(session: Session, seen: Preflight, recovered: Sequence[Recovery]) -> None:
    wanted = session.experiment.workload.user
    if runs_as := explain(find_user(wanted), wanted):
        session.notice(runs_as)
    for recovery in recovered:
        what = recovery.note or f"{len(recovery.changed)} values were put back"
        session.notice(f"run {recovery.run_id} had died: {what}", warning=True)
    for notice in seen.notices:
        session.notice(notice, warning=True)
    for problem in seen.absent:
        session.notice(f"left out: {problem.message}", warning=True)
    unknown = safety.unknown(session.experiment)
    if unknown:
        session.notice(f"no safe range is known for {', '.join(unknown)}; your own limits are all there is")


def _seed(experiment: Experiment, resume: RunRecord | None) -> int:
    if resume is not None and resume.random_seed is not None:
        return resume.random_seed
    # Drawn here and kept in the history, so that a run without a seed can still be resumed and repeated.
    return secrets.randbelow(2**31) if experiment.random_seed is None else experiment.random_seed
