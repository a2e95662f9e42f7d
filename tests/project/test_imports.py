"""What an import pulls in, seen from a fresh interpreter."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from support_project import SOURCE

TYPERS_OWN = {
    "typer", "rich", "click", "shellingham", "annotated_doc", "typing_extensions", "pygments", "markdown_it",
    "mdurl", "attr",  # rich looks whether it is there
}  # fmt: skip
HELP = """
from cli_ai.main import main
sys.argv = ["tactician", "--help"]
try:
    main()
except SystemExit:
    pass
"""
SHOW = "import json, sys; print(json.dumps(sorted(sys.modules)), file=sys.stderr)"


def modules_after(code, *flags):
    """The modules that a fresh interpreter has loaded after ``code``, beyond those it starts with."""
    prelude = f"import sys; sys.path.insert(0, {str(SOURCE)!r})\n"
    loaded = []
    for body in (code, "pass"):
        argv = [sys.executable, *flags, "-c", f"{prelude}{body}\n{SHOW}"]
        done = subprocess.run(
            argv, capture_output=True, text=True, check=False, cwd="/", env={"PATH": "/usr/bin:/bin"}
        )
        assert done.returncode == 0, done.stderr
        loaded.append(set(json.loads(done.stderr.strip().splitlines()[-1])))
    return loaded[0] - loaded[1]


def strangers(modules, *allowed):
    """Top-level names that are neither of the standard library nor allowed."""
    tops = {name.partition(".")[0] for name in modules}
    return {top for top in tops if top not in sys.stdlib_module_names and top not in allowed}


def test_the_guardian_needs_nothing_but_the_standard_library():
    loaded = modules_after("import tactician.undo.guardian", "-I", "-S")
    assert strangers(loaded, "tactician") == set()
    ours = {name for name in loaded if name.startswith("tactician.") and name.count(".") > 1}
    assert {name.rpartition(".")[0] for name in ours} == {"tactician.undo"}
    assert {name for name in loaded if name.count(".") == 1 and name.startswith("tactician.")} == {
        "tactician.undo"
    }


def test_oppertune_loads_no_numpy():
    loaded = modules_after("import oppertune", "-I")
    assert strangers(loaded, "oppertune") == set()


@pytest.mark.parametrize(
    "module", ["oppertune.algorithms.bluefin", "oppertune.algorithms.all", "oppertune.core.values"]
)
def test_the_learners_load_no_scipy(module):
    loaded = modules_after(f"import {module}", "-I")
    assert strangers(loaded, "oppertune", "numpy") == set()


def test_the_core_loads_no_library_of_the_edges():
    """The loop itself needs numbers and nothing that draws, stores, validates or serves."""
    loaded = modules_after("import tactician.tuner", "-I")
    assert strangers(loaded, "tactician", "oppertune", "numpy") == set()


def test_help_loads_only_typer_rich_and_our_command_line():
    loaded = modules_after(HELP, "-I")
    assert strangers(loaded, "tactician", "cli_ai", *TYPERS_OWN) == set()
    ours = {name for name in loaded if name.startswith(("tactician.", "oppertune"))}
    assert all(name.startswith("tactician.cli") for name in ours), ours
    doors = {name for name in loaded if name.startswith("cli_ai.")} - {"cli_ai.main"}
    assert all(name.endswith(".commands") or f"{name}.commands" in doors for name in doors), doors
