"""From a request and a host's facts to a plan, by rules alone: no model, no network, nothing is run."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import Any

from cli_ai.discovery.facts import HostFacts
from cli_ai.strategist.proposal import Proposal, Refused
from cli_ai.strategist.rules import assembly, budgets
from cli_ai.strategist.rules.benches import Bench, Site, packages, ranked
from cli_ai.strategist.rules.choosing import LEAST, MOST, Knobs, Ranges, choose
from cli_ai.strategist.rules.intent import Intent, understand
from cli_ai.strategist.rules.questions import settle

_EMBEDDED = ("sqlite", "sqlite-on-host", "listen-backlog", "tcp-churn")
_NOT_MEASURED = {
    "power": "no benchmark here measures power consumption, so nothing could be proven",
    "memory": "no benchmark here measures the memory that a service uses; its own settings give it less",
}


def propose(request: str, facts: HostFacts) -> Proposal:
    """Make a plan from words.

    Args:
        request: in English or Chinese.
        facts: of the host that is to be tuned.

    Returns:
        A plan; its experiment is None where nothing sensible and safe can be proposed, and ``refused``,
        ``questions`` or ``missing`` say why.
    """
    return propose_for(request, understand(request), facts)


def propose_for(
    request: str,
    intent: Intent,
    facts: HostFacts,
    *,
    chosen: Ranges | None = None,
    benchmark: str = "",
    tag: str = "",
) -> Proposal:
    """Make a plan for an intent, wherever it came from.

    Args:
        request: the words, for the record.
        intent: what they want, by rules or by a model.
        facts: of the host.
        chosen: knobs and ranges that somebody chose; they pass the same checks, and ranges only narrow.
        benchmark: a template's name; the best one for the intent where it is empty or does not fit.
        tag: part of the names that the benchmark makes; random where it is empty.
    """
    if intent.objective in _NOT_MEASURED:
        why = _NOT_MEASURED[intent.objective]
        refused = Refused(asked=f"objective: {intent.objective}", why=why)
        intent = replace(intent, refused=(*intent.refused, refused), refused_whole=True)
    settled = settle(intent, facts)
    intent, service = settled.intent, settled.service
    made = Proposal(
        request=request,
        workload_class=intent.workload_class,
        service=intent.service,
        objective=intent.objective,
        refused=intent.refused,
        questions=settled.questions,
        notes=(*settled.notes, *_mended(intent)),
    )
    if intent.refused_whole:
        return made
    if not intent.workload_class:
        return made
    site = Site(facts, intent, service, tag or secrets.token_hex(4))
    return _with_experiment(made, site, chosen, benchmark)


def _with_experiment(made: Proposal, site: Site, chosen: Ranges | None, wanted: str) -> Proposal:
    intent = site.intent
    most = max(LEAST, min(MOST, (intent.limits.trials or budgets.TRIALS) // 3))
    benches = ranked(site, wanted)
    missing = tuple(packages(site, not benches or benches[0].name in _EMBEDDED))
    tries = ((bench, _knobs(site, bench, chosen, most)) for bench in benches)
    found = next(
        ((one, knobs) for one, knobs in tries if knobs.fitted or _shipped_allowed(intent, one)), None
    )
    if found is None:
        return _nothing_left(made, site, missing, any_bench=bool(benches))
    bench, knobs = found
    metric = bench.metric(intent.objective) or bench.metrics["throughput"]
    plan = budgets.plan(bench, intent.limits, maximize=metric.goal == "maximize")
    experiment = assembly.document(site, bench, metric, knobs, plan)
    objections = assembly.objections(experiment, site.facts)
    if objections:
        notes = (*made.notes, *(f"left without an experiment: {text}" for text in objections))
        return made.model_copy(update={"notes": notes, "missing": missing})
    second_best = f"{benches[0].name} would fit better, but no knob that matters for it may be changed here."
    notes = (
        *made.notes,
        *([] if bench is benches[0] else [second_best]),
        *_left_out(intent, experiment),
        *knobs.notes,
        *plan.notes,
        *_stand_in(intent, metric.name),
        *_unbounded(intent, bench),
    )
    return made.model_copy(
        update={
            "experiment": experiment,
            "reasons": assembly.reasons(site, bench, metric, knobs, plan),
            "missing": missing,
            "power": plan.power,
            "notes": tuple(dict.fromkeys(notes)),
        }
    )


def _knobs(site: Site, bench: Bench, chosen: Ranges | None, most: int) -> Knobs:
    """What is tuned with this benchmark; the shipped experiments bring their own."""
    if bench.items:
        return Knobs()
    return choose(
        site.intent, site.facts, site.service, chosen=chosen, namespace_only=bench.namespace, most=most
    )


def _shipped_allowed(intent: Intent, bench: Bench) -> bool:
    names = [str(item["param"]) for item in bench.items]
    nothing = all(group in intent.limits.untouched for group in ("vm.*", "net.*", f"{intent.service}.*"))
    return bool(names) and not nothing and all(intent.limits.allows(name) for name in names)


def _nothing_left(made: Proposal, site: Site, missing: tuple[str, ...], *, any_bench: bool) -> Proposal:
    """A plan without an experiment, and what would have to change."""
    limits = site.intent.limits
    if not any_bench:
        why = "no benchmark for this can be run here, and no network namespace can be made"
        return made.model_copy(update={"missing": missing or (why,)})
    if limits.untouched or limits.only or site.facts.writable:
        why = "no knob is left that may be changed; take back one of the limits"
        refused = Refused(asked="tuning under these limits", why=why)
        made = made.model_copy(update={"refused": (*made.refused, refused)})
    if not site.facts.writable:
        missing += ("the right to write: no knob of this host can be written by this user; run it as root",)
    return made.model_copy(update={"missing": missing})


def _left_out(intent: Intent, experiment: dict[str, Any]) -> tuple[str, ...]:
    """Knobs that the words name and that are not tuned."""
    tuned = [str(item["param"]).partition("[")[0] for item in experiment["action_space"]]
    return tuple(
        f"{name} is named and not tuned: it is absent or not writable here, its value lies outside the safe "
        "range, or nothing in this benchmark reacts to it."
        for name in intent.wanted
        if name not in tuned
    )


def _mended(intent: Intent) -> tuple[str, ...]:
    return tuple(f'"{wrong}" is read as "{right}".' for wrong, right in intent.mended.items())


def _unbounded(intent: Intent, bench: Bench) -> tuple[str, ...]:
    limit = intent.limits.latency
    if limit is None or limit.quantile in bench.latency:
        return ()
    return (f"{bench.name} reports no {limit.quantile}, so the bound of {limit.seconds:g} s cannot be kept.",)


def _stand_in(intent: Intent, metric: str) -> tuple[str, ...]:
    if intent.objective == "tail latency" and "p9" not in metric:
        return (f"The benchmark reports no tail latency; {metric} is measured in its place.",)
    if intent.objective == "latency" and "latency" not in metric and "time" not in metric:
        return (f"The benchmark reports no latency; {metric} is measured in its place.",)
    return ()
