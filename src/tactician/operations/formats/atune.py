"""A winner as an A-Tune profile: the ``.conf`` that ``atune-adm define`` takes.

A-Tune writes sysctls by ``sysctl -w`` and knows files below /sys by the rest of their path. What it
only tells the operator stands under ``[tip]``, as the advice, an equals sign, and what it concerns.
"""

from __future__ import annotations

from tactician.operations.formats.common import Export, head, told

_SYS = "/sys/"


def render(export: Export) -> str:
    """Return the profile."""
    lines = [
        f"# atune-adm define tactician {_word(export.record.summary.workload_name)} {export.record.id} FILE"
    ]
    lines += [*head(export.record), "", "[main]", "", "[sysctl]"]
    lines += [f"{each.name} = {each.new}" for each in export.of("sysctl")]
    lines += ["", "[sysfs]"]
    lines += [f"{each.path.removeprefix(_SYS)} = {each.new}" for each in export.of("sysfs")]
    tips = [f"{_advice(told(each))} = {each.name.partition('.')[0]}" for each in export.of("service")]
    tips += [f"{_advice(f'run with {each.name} {each.new}')} = benchmark" for each in export.of("argument")]
    return "\n".join([*lines, "", "[tip]", *tips, ""])


def _advice(text: str) -> str:
    """Return a text that can stand before the equals sign."""
    return " ".join(text.replace("=", "to").split())


def _word(text: str) -> str:
    kept = "".join(sign if sign.isalnum() and sign.isascii() else "_" for sign in text)
    return kept.strip("_") or "workload"
