"""A winner as Ansible tasks: the values now and at every boot, and a block by whose tag they are undone.

``ansible-playbook ... --tags tactician`` applies, ``--tags tactician_undo`` takes back; the latter never
runs untold, since its tasks carry ``never`` as well.
"""

from __future__ import annotations

import json

from tactician.operations.formats.common import Export, by_hand, head, native
from tactician.system.boot import tmpfiles
from tactician.undo.restore import command_for

_TAG = "tactician"
_UNDO = ("tactician_undo", "never")


def render(export: Export) -> str:
    """Return a list of tasks. Needs the collection ansible.posix."""
    services = [each for each in export.of("service") if native(each)]
    notes = by_hand(export._replace(settings=[each for each in export.settings if each not in services]))
    lines = ["---", *head(export.record), *notes, ""]
    file, devices = f"/etc/sysctl.d/60-{export.name}.conf", f"/etc/tmpfiles.d/60-{export.name}.conf"
    for each in export.of("sysctl"):
        arguments = {
            "name": each.name,
            "value": each.new,
            "sysctl_file": file,
            "sysctl_set": True,
            "reload": False,
        }
        lines += _task(f"Set {each.name}", "ansible.posix.sysctl", arguments, (_TAG,))
    if sysfs := export.of("sysfs"):
        content = "".join(f"{tmpfiles.line(each.path, each.new)}\n" for each in sysfs)
        lines += _task("Set values below /sys at every boot", "ansible.builtin.copy",
                       {"dest": devices, "content": content, "mode": "0644"}, (_TAG,))  # fmt: skip
        for each in sysfs:
            lines += _shell(f"Set {each.path}", command_for(each.path, each.new), (_TAG,))
    for each in services:
        lines += _shell(f"Set {each.name}", native(each), (_TAG,))
    for each in reversed(services):
        lines += _shell(f"Put {each.name} back", native(each, back=True), _UNDO)
    for path in [file] * bool(export.of("sysctl")) + [devices] * bool(sysfs):
        lines += _task(f"Remove {path}", "ansible.builtin.file", {"path": path, "state": "absent"}, _UNDO)
    for path, old in export.undo:
        lines += _shell(f"Put {path} back", command_for(path, old), _UNDO)
    return "\n".join(lines)


def _shell(name: str, command: str, tags: tuple[str, ...]) -> list[str]:
    return _task(name, "ansible.builtin.shell", {"cmd": command}, tags)


def _task(name: str, module: str, arguments: dict[str, object], tags: tuple[str, ...]) -> list[str]:
    """Return one task. JSON's scalars are YAML's too, whatever they hold."""
    lines = [f"- name: {_scalar(name)}", f"  {module}:"]
    lines += [f"    {key}: {_scalar(value)}" for key, value in arguments.items()]
    return [*lines, f"  tags: {json.dumps(list(tags))}", ""]


def _scalar(value: object) -> str:
    """Return a scalar in which Ansible finds no template: it would read ``{{`` as the begin of one."""
    text = json.dumps(value)
    return text if "{{" not in text and "{%" not in text else f"!unsafe {text}"
