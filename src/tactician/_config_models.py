"""The shape of a configuration file in one place, so that reader, messages and JSON Schema cannot disagree.

The models know types and ranges of single keys. Every field is optional to pydantic, because one broken or
missing key must not hide what else is wrong; ``read_shape`` reports what is required and absent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, StringConstraints
from pydantic.json_schema import WithJsonSchema
from pydantic_core import PydanticCustomError

from tactician.experiment import Goal, Guardrails, KnobKind, Pacing, ServiceType, Training, Verification

_TRAINING = Training()
_VERIFICATION = Verification()
_PACING = Pacing()
_GUARDRAILS = Guardrails()
_WEEK_S = 7 * 24 * 3600
_MANY = 1_000_000_000
_YEAR_MINUTES = 366 * 24 * 60


def _number(value: object) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise PydanticCustomError("number_type", "must be a number")
    return value


def _choice(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise PydanticCustomError("choice_type", "must be a string or a number")
    return value if isinstance(value, str) else str(value)


def _start(value: object) -> str | int | float:
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        return value
    raise PydanticCustomError("choice_type", "must be a string or a number")


Text = Annotated[str, StringConstraints(pattern=r"\S")]
# Plain validators instead of unions: a union reports one error per member, and none of them says the point.
Number = Annotated[int | float, PlainValidator(_number), WithJsonSchema({"type": "number"})]
Positive = Annotated[
    int | float,
    PlainValidator(_number),
    Field(gt=0),
    WithJsonSchema({"type": "number", "exclusiveMinimum": 0}),
]
Percent = Annotated[
    int | float,
    PlainValidator(_number),
    Field(gt=0, le=1000),
    WithJsonSchema({"type": "number", "exclusiveMinimum": 0, "maximum": 1000}),
]
Weight = Annotated[
    int | float, PlainValidator(_number), Field(ge=0), WithJsonSchema({"type": "number", "minimum": 0})
]
Share = Annotated[
    int | float,
    PlainValidator(_number),
    Field(ge=0, le=1),
    WithJsonSchema({"type": "number", "minimum": 0, "maximum": 1}),
]
Argv = Annotated[list[Annotated[str, StringConstraints(pattern=r"\S")] | None], Field(min_length=1)]
Choice = Annotated[str, PlainValidator(_choice), WithJsonSchema({"type": ["string", "number"]})]
Start = Annotated[str | int | float, PlainValidator(_start), WithJsonSchema({"type": ["string", "number"]})]


def _optional(description: str) -> Any:
    return Field(default=None, description=description)


def _bounded(default: float | None, low: int | None, high: int, description: str) -> Any:
    return Field(default=default, ge=low, le=high, description=description)


class Section(BaseModel):
    """An object of the file: nothing unknown, nothing converted."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)

    @classmethod
    def required(cls) -> tuple[str, ...]:
        """The keys that must be there."""
        extra = cls.model_config.get("json_schema_extra")
        names = extra.get("required", []) if isinstance(extra, dict) else []
        return tuple(str(name) for name in names) if isinstance(names, list) else ()

    @classmethod
    def keys(cls) -> tuple[str, ...]:
        """Every key, as it is written in a file."""
        return tuple(info.alias or name for name, info in cls.model_fields.items())


class ActionItem(Section):
    """One parameter to tune: where it lives and which values may be tried."""

    model_config = ConfigDict(json_schema_extra={"required": ["param"]})

    param: Text | None = _optional(
        "The sysctl key (net.ipv4.tcp_rmem[2] for one field), the path below /sys, service and setting "
        "(postgresql.work_mem), the name that stands in braces in the command, or the environment variable."
    )
    min: Number | None = _optional("The smallest value that may be tried.")
    max: Number | None = _optional("The largest value that may be tried.")
    type: Literal["int", "integer", "float", "real", "categorical"] | None = _optional(
        "Without it: categorical where there are values, int where all numbers are whole, else float."
    )
    values: Annotated[list[Choice | None], Field(min_length=1)] | None = _optional(
        "The choices of a categorical parameter; numbers are kept as strings."
    )
    step: Positive | None = _optional("Distance between neighbouring values; it must divide max - min.")
    log: bool = Field(default=False, description="Search on a logarithmic scale; needs min above 0.")
    default: Start | None = _optional(
        "The baseline. Without it: what the host has; for a name in braces the middle of the range."
    )
    knob: KnobKind | None = _optional(
        "Where the parameter lives. Without it: an argument where the command holds its name in braces, "
        "sysfs where param begins with a slash, service where it begins with a service's name and a dot, "
        "else sysctl."
    )


class StateItem(Section):
    """One system metric that the learner observes."""

    model_config = ConfigDict(json_schema_extra={"required": ["metric"]})

    metric: Text | None = _optional("The metric's name, such as cpu_utilization.")
    source: str | None = _optional("Where the metric comes from, as a note to the reader; not used.")


class TrainingConfig(Section):
    """How long and how the learner learns."""

    total_timesteps: int = _bounded(
        _TRAINING.total_timesteps, 1, _MANY, "The number of trials where there is no budget."
    )
    max_steps_per_episode: int = _bounded(
        _TRAINING.max_steps_per_episode, 1, _MANY, "Trials after which an episode ends."
    )
    learning_rate: Annotated[float, Field(gt=0)] = _bounded(
        _TRAINING.learning_rate, None, 1, "Step size of the learner's gradient steps."
    )
    n_steps: int = _bounded(
        _TRAINING.n_steps,
        1,
        _MANY,
        "Steps that PPO imagines per rollout, or trials between two updates without its model.",
    )
    batch_size: int = _bounded(_TRAINING.batch_size, 1, _MANY, "Steps in one gradient step, at most.")
    n_epochs: int = _bounded(_TRAINING.n_epochs, 1, 1000, "Passes over the steps of one update.")
    gamma: float = _bounded(_TRAINING.gamma, 0, 1, "Discount of later rewards within an episode.")
    benchmark_timeout: Annotated[float, Field(gt=0)] = _bounded(
        _TRAINING.benchmark_timeout, None, _WEEK_S, "Seconds after which a run is ended and has failed."
    )


class RewardConfig(Section):
    """What a good trial is: the two weights are scaled so that they add up to one."""

    performance: Weight | None = _optional("Weight of the metric; else what stability leaves of 1.")
    stability: Weight | None = _optional("Weight of a calm system; else what performance leaves of 1.")


class BudgetConfig(Section):
    """How much may be spent on trials; with both, whichever ends first."""

    trials: int | None = _bounded(None, 1, _MANY, "At most so many trials, baselines apart.")
    minutes: Annotated[float, Field(gt=0)] | None = _bounded(
        None, None, _YEAR_MINUTES, "No new trial begins after so many minutes."
    )


class VerificationConfig(Section):
    """How long winner and original are measured against each other."""

    rounds: int = _bounded(
        _VERIFICATION.rounds, 1, 1000, "At most so many rounds: the winner once, the original twice."
    )
    own_rounds: int = _bounded(
        _VERIFICATION.own_rounds,
        0,
        1000,
        "The same against the kernel's own values, where starts are declared.",
    )


class PacingConfig(Section):
    """How long a benchmark runs, where it reports its progress or its command has {duration}."""

    abort_trials: bool = Field(
        default=_PACING.abort_trials, description="End a trial that is surely worse than the best so far."
    )
    adaptive_length: bool = Field(
        default=_PACING.adaptive_length,
        description="A trial that is behind runs no longer than its own noise makes useful.",
    )
    cut_warmup: bool = Field(
        default=_PACING.cut_warmup, description="Leave a run's warm-up out of its metric, in every run alike."
    )
    short_share: Annotated[float, Field(ge=0.05, le=0.9)] = Field(
        default=_PACING.short_share,
        description="Share of {duration} for the short look that begins a trial where nothing is reported.",
    )
    error: Annotated[float, Field(gt=0, le=0.5)] = Field(
        default=_PACING.error,
        description="Probability with which a trial as good as the best so far is ended as surely worse.",
    )


class GuardrailsConfig(Section):
    """What ends a trial early because the host suffers; what was so in the baseline's runs does not count."""

    enabled: bool = Field(default=_GUARDRAILS.enabled, description="False switches all of them off.")
    performance_floor: Share = Field(
        default=_GUARDRAILS.performance_floor,
        description="Share of the baseline's metric below which a run that streams is ended; 0 for never.",
    )
    memory_stall: Share = Field(
        default=_GUARDRAILS.memory_stall,
        description="Share of 3 s in which no task could go on for want of memory (PSI full); 0 for never.",
    )
    io_stall: Share = Field(
        default=_GUARDRAILS.io_stall,
        description="Share of 10 s in which no task could go on for want of I/O (PSI full); 0 for never.",
    )
    available_memory: Share = Field(
        default=_GUARDRAILS.available_memory,
        description="Share of the memory that must stay available; 0 for none.",
    )
    oom_kill: bool = Field(
        default=_GUARDRAILS.oom_kill,
        description="Whether a process that the kernel kills for want of memory ends the trial.",
    )
    health_command: Text | None = _optional(
        "A shell command that ends with 0 as long as all is well, run as the benchmark's user; it must do so "
        "before the run."
    )
    health_ports: list[Annotated[int, Field(ge=1, le=65535)] | None] | None = _optional(
        "TCP ports of this host that must go on answering; only those that answered before the run count. "
        "Without it 22."
    )
    health_interval: Annotated[Positive, Field(le=3600)] | None = _optional(
        "Seconds between two checks by command and ports; without it 5."
    )
    health_timeout: Annotated[Positive, Field(le=600)] | None = _optional(
        "Seconds that a check may take; without it 5."
    )
    in_a_row: int = _bounded(
        _GUARDRAILS.in_a_row, 1, 100, "So many trials in a row that crossed a guardrail stop the run."
    )


class ServiceConfig(Section):
    """How a service is reached, told and asked; what is left out is found on this host."""

    type: ServiceType | None = _optional("Which kind of service it is; without it the service's own name.")
    host: Text | None = _optional("The address at which it listens.")
    port: int | None = _bounded(None, 1, 65535, "The port at which it listens.")
    socket: Text | None = _optional("The path of its socket; for PostgreSQL the folder that holds it.")
    user: Text | None = _optional("As whom to ask.")
    database: Text | None = _optional("Where to ask PostgreSQL; without it postgres.")
    password_file: Text | None = _optional(
        "A file with the password: for PostgreSQL in the format of .pgpass, for MySQL an option file, "
        "for Redis the password alone."
    )
    data_directory: Text | None = _optional("The data directory of PostgreSQL.")
    path: Text | None = _optional("The settings file of nginx, or of a service of type file.")
    program: Text | None = _optional("The program of nginx; without it the one that runs.")
    prefix: Text | None = _optional("The -p of nginx; without it that of the one that runs.")
    format: Literal["key value;", "key value", "key = value", "ini"] | None = _optional(
        "How a file of type file is written; ini has sections."
    )
    section: Text | None = _optional("The section of an ini file that holds the settings.")
    check: Argv | None = _optional(
        "A program and its arguments that must end with 0 before the file is replaced; {path} is the edited "
        "copy."
    )
    reload: Argv | None = _optional("A program and its arguments that make the service read its file again.")
    restart: Argv | None = _optional("A program and its arguments that restart the service.")
    health: Argv | None = _optional(
        "A program and its arguments that end with 0 once the service works; for nginx without it its ports "
        "are asked."
    )
    timeout: Annotated[Positive, Field(le=3600)] | None = _optional(
        "Seconds within which it must work again after a reload or restart; without it 60."
    )
    allow_restart: bool = Field(
        default=True, description="Whether settings that act only after a restart may be tuned."
    )


class Document(Section):
    """An experiment of Tactician: what to tune, with which benchmark, towards what."""

    model_config = ConfigDict(
        title="Tactician experiment",
        json_schema_extra={
            "required": ["workload_name", "reward_metric", "benchmark_command", "action_space"]
        },
    )

    schema_uri: str | None = Field(
        default=None, alias="$schema", description="The schema an editor checks this file with; not used."
    )
    workload_name: Text | None = _optional("A descriptive name for people.")
    reward_metric: Text | None = _optional("The metric to improve, as the benchmark prints it.")
    benchmark_command: Text | None = _optional(
        "The shell command of one benchmark run. {duration} and the names of argument parameters in braces "
        "are replaced; everything else in braces stays."
    )
    action_space: Annotated[list[ActionItem | None], Field(min_length=1)] | None = _optional(
        "The parameters to tune."
    )
    state_space: list[StateItem | None] | None = _optional(
        "The system metrics to observe; without it the usual six."
    )
    training_config: TrainingConfig = Field(
        default=TrainingConfig(), description="Settings of the learner and the benchmark's timeout."
    )
    goal: Goal | None = _optional("The better direction; without it what is known of the metric.")
    metric_pattern: Text | None = _optional(
        "A regular expression with exactly one group, which captures the metric in the output."
    )
    metric_path: Text | None = _optional("A dotted path into JSON output, such as jobs.0.read.iops.")
    progress_pattern: Text | None = _optional(
        "A regular expression with a group (?P<value>...), and if there is one (?P<seconds>...), that "
        "finds the metric over an interval in a line printed while the benchmark runs."
    )
    reward: RewardConfig | None = _optional("Weights of performance and stability; else half and half.")
    algorithm: Text | None = _optional("The learner's name, or auto for one that suits; without it ppo.")
    algorithm_args: dict[str, Any] | None = _optional("Further keyword arguments for the learner.")
    budget: BudgetConfig | None = _optional(
        "How much may be spent; without it total_timesteps if it is named, else 30 trials."
    )
    duration: Annotated[Positive, Field(le=_WEEK_S)] | None = _optional(
        "Seconds that stand for {duration} in the command; without it 10."
    )
    setup_command: Text | None = _optional("A shell command that runs once before the first benchmark.")
    teardown_command: Text | None = _optional("A shell command that runs once at the end, whatever happened.")
    benchmark_user: Text | None = _optional(
        "The account that runs the benchmark, its setup and teardown, where the tuner is root; without it "
        "whoever called sudo."
    )
    environment: dict[str, str] | None = _optional("Variables added to the minimal environment.")
    services: dict[str, ServiceConfig] | None = _optional(
        "By name, how each service is reached whose settings are tuned; postgresql, redis, mysql and nginx "
        "are found on this host without it."
    )
    constraints: list[Text | None] | None = _optional(
        "Relations that every tried configuration keeps: vm.dirty_background_ratio < vm.dirty_ratio."
    )
    verification: VerificationConfig = Field(
        default=VerificationConfig(), description="How the winner is measured against the original."
    )
    pacing: PacingConfig = Field(
        default=PacingConfig(), description="When the benchmark of a trial may end before its time."
    )
    guardrails: GuardrailsConfig = Field(
        default=GuardrailsConfig(), description="When a trial ends early because the host suffers."
    )
    limits: dict[str, Number] | None = _optional(
        "Further metrics of the benchmark and what each may be at most, such as latency_p99: 0.02; a run "
        "beyond one has failed."
    )
    max_regression: Annotated[Number, Field(ge=1, lt=100)] | None = _optional(
        "Trials that lose more than so many percent of the baseline's metric are to be rare."
    )
    baseline_runs: int | None = _bounded(None, 1, 100, "Measurements of the baseline before the first trial.")
    network_namespace: Text | None = _optional(
        "throw-away for one that ends with the run, or a name or path; without it the host's own."
    )
    random_seed: int | None = _bounded(None, 0, 2**63 - 1, "Makes the learner's choices repeatable.")
    max_failures: int | None = _bounded(None, 1, 1000, "So many failed trials in a row stop the run.")
    target_improvement: Percent | None = _optional(
        "The improvement in percent that is to be proven; a run that could not prove it is refused."
    )
    worthwhile_improvement: Percent | None = _optional(
        "Gains below so many percent are not worth a trial; without it 2."
    )
    stop_early: bool | None = _optional(
        "Whether the run ends before its budget once more trials would change nothing; without it true."
    )


SECTIONS: Mapping[str, type[Section]] = {
    "action_space": ActionItem,
    "state_space": StateItem,
    "training_config": TrainingConfig,
    "reward": RewardConfig,
    "budget": BudgetConfig,
    "verification": VerificationConfig,
    "pacing": PacingConfig,
    "guardrails": GuardrailsConfig,
    "services": ServiceConfig,
}
