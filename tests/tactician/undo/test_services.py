"""Services are put back: files first, then the commands, and after a death the commands in any case."""

from __future__ import annotations

import shlex

import pytest

from tactician.undo import whole_files
from tactician.undo.restore import restore
from tactician.undo.services import put_back


class Service:
    """A service that takes its settings from a file when it is told, and shows what it took."""

    def __init__(self, folder, name="service", text="one"):
        self.name = name
        self.file = folder / f"{name}.conf"
        self.process = folder / f"{name}.running"
        self.log = folder / "log"
        self.file.write_text(text)
        self.reload()

    def reload(self):
        self.process.write_text(self.file.read_text())

    def command(self, text):
        return {"argv": ["/bin/sh", "-c", text], "environment": {}, "timeout_s": 10.0}

    def undo(self, reload=None, rescue=None, **changes):
        copying = f"cp {shlex.quote(str(self.file))} {shlex.quote(str(self.process))}"
        reload = copying if reload is None else reload
        shown = self.process.read_text()
        return {
            "name": self.name,
            "writes": [],
            "expected": [],
            "files": [whole_files.record(str(self.file))],
            "commands": [self.command(f"echo {self.name} reload >> {self.log}; {reload}")],
            "rescue": [self.command(f"echo {self.name} rescue >> {self.log}; {rescue or copying}")],
            "checks": [{**self.command(f"cat {self.process}"), "expected": shown, "timeout_s": 0.2}],
            **changes,
        }

    def tuned(self, text="two"):
        self.file.write_text(text)
        self.reload()

    def logged(self):
        return self.log.read_text().splitlines() if self.log.exists() else []


@pytest.fixture
def service(tmp_path):
    return Service(tmp_path)


def test_after_a_trial_the_file_is_back_and_the_service_was_told_once(service):
    undo = service.undo()
    service.tuned()
    changed, leftovers = put_back([undo], "trial")
    assert leftovers == []
    assert changed == [(str(service.file), "other content")]
    assert service.process.read_text() == service.file.read_text() == "one"
    assert service.logged() == ["service reload"]


def test_after_a_trial_that_never_touched_it_a_service_is_left_in_peace(service):
    assert put_back([service.undo()], "trial") == ([], [])
    assert service.logged() == []


def test_after_a_death_it_is_told_even_where_its_file_is_back(service):
    """Somebody put the file back and died before the reload."""
    undo = service.undo()
    service.process.write_text("two")
    assert put_back([undo], "death") == ([], [])
    assert service.process.read_text() == "one"
    assert service.logged() == ["service reload"]


def test_restoring_twice_does_not_tell_it_twice(service):
    undo = service.undo()
    service.tuned()
    put_back([undo], "trial")
    put_back([undo], "trial")
    assert service.logged() == ["service reload"]


def test_where_the_reload_does_not_help_the_rescue_does(service):
    undo = service.undo(reload="true")
    service.tuned()
    assert put_back([undo], "trial")[1] == []
    assert service.logged() == ["service reload", "service rescue"]
    assert service.process.read_text() == "one"


def test_a_reload_that_fails_is_not_trusted_though_the_check_holds(service):
    undo = service.undo(reload="exit 4", checks=[])
    service.tuned()
    assert put_back([undo], "trial")[1] == []
    assert service.logged() == ["service reload", "service rescue"]


def test_what_cannot_be_put_back_is_named_with_the_command_and_the_others_are_restored(tmp_path):
    broken, whole = Service(tmp_path, "broken"), Service(tmp_path, "whole")
    undos = [whole.undo(), broken.undo(reload="echo no way; exit 3", rescue="echo no way; exit 3")]
    broken.tuned()
    whole.tuned()
    _, leftovers = put_back(undos, "trial")
    assert {leftover.path for leftover in leftovers} == {"broken"}
    assert any("no way" in leftover.found for leftover in leftovers)
    assert all("sh -c" in leftover.command for leftover in leftovers)
    assert whole.process.read_text() == "one"


def test_a_file_that_cannot_be_put_back_is_named(service, tmp_path):
    undo = service.undo()
    service.file.unlink()
    service.file.mkdir()
    _, leftovers = put_back([undo], "trial")
    assert str(service.file) in {leftover.path for leftover in leftovers}


def test_of_many_undos_of_one_file_the_oldest_wins(service):
    undos = [service.undo()]
    service.tuned("two")
    undos.append(service.undo())
    service.tuned("three")
    assert put_back(undos, "trial")[1] == []
    assert service.file.read_text() == service.process.read_text() == "one"


def test_a_file_that_is_replaced_late_is_put_back_again(service):
    """A server's own ALTER SYSTEM may be on its way when its client dies."""
    once = service.file.parent / "once"
    late = f"test -e {once} || echo late > {service.file}; touch {once}; cp {service.file} {service.process}"
    undo = service.undo(reload=late, rescue=late)
    service.tuned()
    assert put_back([undo], "death")[1] == []
    assert service.file.read_text() == "one"


def test_a_check_is_repeated_until_it_holds(service):
    """A reload is only a signal; its effect comes a moment later."""
    slow = f"(sleep 0.3; cp {service.file} {service.process}) >/dev/null 2>&1 &"
    undo = service.undo(reload=slow)
    undo["checks"][0]["timeout_s"] = 10.0
    service.tuned()
    assert put_back([undo], "trial")[1] == []
    assert service.logged() == ["service reload"]


def test_a_service_without_files_is_always_told(service):
    undo = {**service.undo(), "files": []}
    service.process.write_text("two")
    changed, leftovers = put_back([undo], "death")
    assert (changed, leftovers) == ([("service", "two")], [])
    assert service.logged() == ["service reload"]


@pytest.mark.parametrize("runs", [True, False])
def test_after_a_restart_of_the_host_files_are_back_and_only_a_running_service_is_told(service, runs):
    undo = service.undo()
    service.tuned()
    if not runs:
        service.process.unlink()
    changed, leftovers = put_back([undo], "reboot")
    assert (len(changed), leftovers) == (1, [])
    assert service.file.read_text() == "one"
    assert service.logged() == (["service reload"] if runs else [])


def test_copies_of_dead_writers_are_swept(service):
    undo = service.undo()
    copy = service.file.with_name(f".{service.file.name}.tactician-4194399")
    copy.write_text("half an edit")
    put_back([undo], "death")
    assert not copy.exists()


def test_services_are_told_when_the_kernel_is_as_it_was(service, tmp_path):
    value = tmp_path / "value"
    value.write_text("tuned\n")
    undo = service.undo(reload=f"cat {value} >> {service.log}; cp {service.file} {service.process}")
    service.tuned()
    kernel = {"writes": [[str(value), "", "original"]], "expected": [[str(value), "", "original"]]}
    changed, leftovers = restore([kernel, undo], occasion="trial")
    assert leftovers == []
    assert len(changed) == 2
    assert service.logged() == ["service reload", "original"]
