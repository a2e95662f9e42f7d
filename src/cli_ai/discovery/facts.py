"""What discovery found out about a host, as plain data that text, JSON and the strategist share."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class _Fact(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Distribution(_Fact):
    """Which system this is.

    Attributes:
        id: as in os-release, such as ``openEuler`` or ``debian``.
        family: ``openeuler``, ``rhel``, ``debian``, ``suse``, ``arch``, ``alpine`` or ``other``; decides the
            package manager.
    """

    id: str = ""
    name: str = ""
    version: str = ""
    family: str = "other"


class Disk(_Fact):
    """One block device that holds data."""

    name: str
    size_bytes: int = 0
    rotational: bool | None = None
    scheduler: str = ""


class Link(_Fact):
    """One network interface; ``speed_mbit`` is None where the driver does not say."""

    name: str
    speed_mbit: int | None = None
    up: bool = True


class Service(_Fact):
    """One service that runs here.

    Attributes:
        name: ``postgresql``, ``mysql``, ``redis``, ``memcached``, ``nginx``, ``haproxy``, ``kafka``, ``jvm``.
        ports: TCP ports it listens on. sockets: its Unix sockets.
        config_file, data_directory: empty where they could not be read.
        processes: it and its children of the same kind.
        program: path of the executable; empty where it may not be looked at.
        confined: it runs in a network or file system namespace of its own, such as a container's; its ports
            and paths are not this host's.
    """

    name: str
    version: str = ""
    pid: int = 0
    user: str = ""
    ports: tuple[int, ...] = ()
    sockets: tuple[str, ...] = ()
    config_file: str = ""
    data_directory: str = ""
    processes: int = 1
    program: str = ""
    confined: bool = False


class Bottleneck(_Fact):
    """What a short watch showed as scarce (``cpu``, ``memory``, ``io``, ``network``, ``none``), and why."""

    resource: str
    reason: str


class HostFacts(_Fact):
    """Everything that discovery reads, without a write and without a benchmark.

    Attributes:
        container: ``docker``, ``podman``, ``lxc``, ``kubernetes`` or empty.
        virtual_machine: the hypervisor's name or empty.
        lockdown: the kernel's lockdown mode; empty or ``none`` where it is off.
        tools: benchmark programs that are installed, with their paths.
        knobs: catalogued host knobs that exist here; ``writable`` are those of them that may be written.
        values: what the knobs read as, by name, as far as they were read.
        throw_away: whether a network namespace that ends with a run can be made here; None: not looked.
        pressure: shares in [0, 1] by name (``cpu_utilization``, ``io_pressure``, ...), as last read;
            ``load_average`` is per core and may be more.
        bottleneck: the worst of ``bottlenecks``; ``none`` where nothing is scarce.
        bottlenecks: everything that is scarce, the worst first.
        watched_s: seconds that the watch took; 0 for one look.
        rates: events per second over the watch, by name (``accept_queue_overflows``, ``swap_out`` ...).
        memory_bytes, cores: what processes here may use, so no more than this control group's limits.
        notes: what could not be found out, and what to know about the rest.
    """

    distribution: Distribution = Distribution()
    kernel: str = ""
    architecture: str = ""
    cores: int = 1
    numa_nodes: int = 1
    memory_bytes: int = 0
    swap_bytes: int = 0
    disks: tuple[Disk, ...] = ()
    links: tuple[Link, ...] = ()
    cgroup_version: int = 0
    container: str = ""
    virtual_machine: str = ""
    lockdown: str = ""
    root: bool = False
    services: tuple[Service, ...] = ()
    tools: dict[str, str] = Field(default_factory=dict)
    knobs: tuple[str, ...] = ()
    writable: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    values: dict[str, str] = Field(default_factory=dict)
    throw_away: bool | None = None
    pressure: dict[str, float] = Field(default_factory=dict)
    bottleneck: Bottleneck | None = None
    bottlenecks: tuple[Bottleneck, ...] = ()
    watched_s: float = 0.0
    rates: dict[str, float] = Field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def service(self, name: str) -> Service | None:
        """The running service of this name, None if there is none."""
        return next((service for service in self.services if service.name == name), None)
