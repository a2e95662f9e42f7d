"""What to tune, with what, towards what and within which limits: an experiment as frozen data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from oppertune.core.space import Constraint
from oppertune.core.values import Parameter, Value

KnobKind = Literal["sysctl", "sysfs", "service", "argument", "environment"]
ServiceType = Literal["postgresql", "redis", "nginx", "mysql", "file"]
Goal = Literal["maximize", "minimize"]
BudgetSource = Literal["budget", "total_timesteps", "default"]

HOST_KINDS: frozenset[KnobKind] = frozenset({"sysctl", "sysfs", "service"})
THROW_AWAY = "throw-away"
"""The ``network_namespace`` that is made for one run and ends with it."""

DEFAULT_STATE_METRICS = (
    "cpu_utilization",
    "io_wait",
    "memory_usage",
    "cpu_pressure",
    "io_pressure",
    "memory_pressure",
)
"""Observed when a configuration names no ``state_space``; each is a share in [0, 1] over the run."""


def with_value(parameter: Parameter, value: Value) -> Parameter:
    """Return the same parameter with another current value."""
    changed: Any = parameter  # the types of the three kinds of value differ, which a checker cannot follow
    moved: Parameter = replace(changed, val=value)
    return moved


@dataclass(frozen=True, slots=True)
class TunedParameter:
    """One parameter and the place where it lives.

    Attributes:
        parameter: name, range, step and scale; its ``val`` is where learning starts.
        kind: which sort of place.
        target: the sysctl key (``net.ipv4.tcp_rmem[2]`` for one field), the sysfs path, service and
            setting (``postgresql.work_mem``), or the placeholder or environment variable's name.
        start: the declared baseline. None: the baseline is what the host has.
    """

    parameter: Parameter
    kind: KnobKind
    target: str
    start: Value | None = None

    @property
    def name(self) -> str:
        """The name under which configurations and results carry it."""
        return self.parameter.name

    @property
    def on_host(self) -> bool:
        """Whether it changes the host, as opposed to the benchmark's own command."""
        return self.kind in HOST_KINDS


@dataclass(frozen=True, slots=True)
class ServiceAccess:
    """How a service is reached, told and asked; what is None is found on this host.

    Attributes:
        type: which kind of service it is.
        host, port, socket: where it listens; ``socket`` is a path, for PostgreSQL a folder.
        user, database: as whom and where to ask PostgreSQL; ``user`` also names a user of Redis and MySQL.
        password_file: for PostgreSQL in the format of ``.pgpass``, for MySQL an option file, for Redis the
            password alone.
        data_directory: of PostgreSQL.
        path: the settings file of nginx or of a service of type ``file``.
        program, prefix: nginx's own, and its ``-p``.
        format, section: how a settings file is written.
        check, reload, restart, health: programs with their arguments; ``{path}`` in ``check`` is the edited
            copy, which replaces the file only if it ends with 0.
        timeout_s: within so many seconds the service must work again.
        allow_restart: False refuses settings that act only after a restart.
    """

    type: ServiceType
    host: str | None = None
    port: int | None = None
    socket: str | None = None
    user: str | None = None
    database: str | None = None
    password_file: str | None = None
    data_directory: str | None = None
    path: str | None = None
    program: str | None = None
    prefix: str | None = None
    format: str | None = None
    section: str | None = None
    check: tuple[str, ...] = ()
    reload: tuple[str, ...] = ()
    restart: tuple[str, ...] = ()
    health: tuple[str, ...] = ()
    timeout_s: float = 60.0
    allow_restart: bool = True


@dataclass(frozen=True, slots=True)
class Metric:
    """Which number of the benchmark's output counts.

    Attributes:
        name: as the operator wrote it (``reward_metric``).
        goal: None means as the parser knows the metric, and maximize where it does not.
        pattern: a regular expression with one group that captures the number.
        path: a dotted path into JSON output, such as ``jobs.0.read.iops``.
    """

    name: str
    goal: Goal | None = None
    pattern: str | None = None
    path: str | None = None


@dataclass(frozen=True, slots=True)
class Workload:
    """How the benchmark is started.

    Attributes:
        command: a shell command; ``{name}`` of an argument parameter and ``{duration}`` are replaced.
        timeout_s: after so many seconds the whole process group is ended and the trial has failed.
        duration_s: what ``{duration}`` becomes.
        setup_command: run once before the first benchmark.
        teardown_command: run once at the end, also by the guardian.
        environment: variables added to the minimal environment.
        progress_pattern: finds the metric's interval values in what the command prints while it runs.
        user: the account that runs all three commands; None: whoever called sudo, else ourselves.
    """

    command: str
    timeout_s: float = 120.0
    duration_s: float | None = None
    setup_command: str | None = None
    teardown_command: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    progress_pattern: str | None = None
    user: str | None = None


@dataclass(frozen=True, slots=True)
class Pacing:
    """How long a benchmark has to run. Nothing of it matters unless the benchmark streams or takes a length.

    Attributes:
        abort_trials: end a trial once it is surely worse than the incumbent.
        adaptive_length: a trial that is behind runs no longer than its own noise makes useful.
        cut_warmup: leave warm-up out of the metric, by the same rule for every run.
        short_share: of ``{duration}``, for the short look where a command does not stream.
        error: the probability with which a trial as good as the incumbent is ended early.
    """

    abort_trials: bool = True
    adaptive_length: bool = True
    cut_warmup: bool = True
    short_share: float = 0.25
    error: float = 0.05


@dataclass(frozen=True, slots=True)
class Guardrails:
    """What ends a trial early because the host suffers. A limit of 0 switches its guardrail off.

    Attributes:
        enabled: False switches all of them off.
        performance_floor: share of the baseline's metric that a run which streams must be able to reach.
        memory_stall: share of 3 s in which no task could go on for want of memory.
        io_stall: the same of 10 s, for want of I/O.
        available_memory: share of the memory that must be available.
        oom_kill: whether a process that the kernel killed for want of memory counts.
        health_command: a shell command that fails when something is wrong; empty for none.
        health_ports: TCP ports that must go on answering, if they did before the run.
        health_interval_s, health_timeout_s: how often command and ports are asked, and for how long.
        in_a_row: so many crossings in a row stop the run.
    """

    enabled: bool = True
    performance_floor: float = 0.1
    memory_stall: float = 0.4
    io_stall: float = 0.9
    available_memory: float = 0.03
    oom_kill: bool = True
    health_command: str = ""
    health_ports: tuple[int, ...] = (22,)
    health_interval_s: float = 5.0
    health_timeout_s: float = 5.0
    in_a_row: int = 2


@dataclass(frozen=True, slots=True)
class RewardWeights:
    """How much of the reward is performance and how much is stability; they add up to one."""

    performance: float = 0.5
    stability: float = 0.5


@dataclass(frozen=True, slots=True)
class Budget:
    """How much may be spent on trials, baselines and verification apart.

    Attributes:
        trials: at most so many trials, or None.
        seconds: no new trial begins after so many seconds, or None.
        source: where the numbers come from, so that the console can say it.
    """

    trials: int | None = 30
    seconds: float | None = None
    source: BudgetSource = "default"


@dataclass(frozen=True, slots=True)
class Verification:
    """How the winner is measured against the original.

    Attributes:
        rounds: at most so many rounds; each runs the winner once and the original twice.
        own_rounds: the same for the second comparison, with the kernel's own values, made only
            where the experiment declares starting values.
    """

    rounds: int = 20
    own_rounds: int = 8


@dataclass(frozen=True, slots=True)
class Training:
    """The seed's ``training_config``, with the seed's defaults."""

    total_timesteps: int = 10000
    max_steps_per_episode: int = 50
    learning_rate: float = 0.0003
    n_steps: int = 2048
    batch_size: int = 64
    n_epochs: int = 10
    gamma: float = 0.99
    benchmark_timeout: float = 120.0


@dataclass(frozen=True, slots=True)
class Experiment:
    """A whole experiment, valid as far as a file alone can tell.

    Attributes:
        document: the configuration as it was read, for the history and for ``--resume``.
        limits: what further metrics may be at most, by name; a run beyond one has failed.
        services: by name, those whose settings are tuned.
        network_namespace: None for the host's own, ``throw-away``, or a name or path to enter.
        baseline_runs: how often the baseline is measured before the first trial.
        algorithm_args: further keyword arguments for the algorithm's constructor.
        max_failures: so many failures in a row stop the run.
        target_improvement: what is to be proven, as a fraction; the run is refused where it cannot be.
        worthwhile_improvement: gains below this fraction are not worth a trial.
        max_regression: trials that lose more than this fraction of the baseline's metric are to be rare.
        stop_early: whether the run ends before its budget once more trials would change nothing.
    """

    workload_name: str
    metric: Metric
    workload: Workload
    parameters: tuple[TunedParameter, ...]
    constraints: tuple[Constraint, ...] = ()
    state_metrics: tuple[str, ...] = DEFAULT_STATE_METRICS
    training: Training = Training()
    reward: RewardWeights = RewardWeights()
    algorithm: str = "ppo"
    algorithm_args: Mapping[str, object] = field(default_factory=dict)
    budget: Budget = Budget()
    verification: Verification = Verification()
    pacing: Pacing = Pacing()
    guardrails: Guardrails = Guardrails()
    limits: Mapping[str, float] = field(default_factory=dict)
    services: Mapping[str, ServiceAccess] = field(default_factory=dict)
    baseline_runs: int = 3
    network_namespace: str | None = None
    random_seed: int | None = None
    max_failures: int = 3
    target_improvement: float | None = None
    worthwhile_improvement: float = 0.02
    max_regression: float | None = None
    stop_early: bool = True
    document: Mapping[str, object] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """The parameters' names, in declaration order."""
        return tuple(tuned.name for tuned in self.parameters)

    @property
    def throw_away(self) -> bool:
        """Whether the run happens in a network namespace of its own that ends with it."""
        return self.network_namespace == THROW_AWAY
