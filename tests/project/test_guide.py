"""The guide says what is true: its Python runs, its options and defaults exist, its plots are the build's."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import re
import sys
from pathlib import Path

import pytest

from oppertune.algorithms.all import ALGORITHMS, get_algorithm_class
from oppertune.core import state
from oppertune.testing.contract import LAWS

DOCS = Path(__file__).parents[2] / "docs"
GUIDE = DOCS / "guide"
PAGES = {str(path.relative_to(GUIDE)): path.read_text(encoding="utf-8") for path in GUIDE.rglob("*.md")}
BLOCKS = [
    pytest.param(block, id=f"{page}-{i}")
    for page, text in sorted(PAGES.items())
    for i, block in enumerate(re.findall(r"^```python\n(.*?)^```", text, re.M | re.S))
]
OPTIONS = [
    (page, *row)
    for page, text in sorted(PAGES.items())
    for row in re.findall(r"^\| `(\w+)` \| `(\w+)` \| `([^`]+)` \|", text, re.M)
]
LINKS = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


@pytest.fixture
def plots(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The names of the plots that the build makes; it needs no matplotlib to say so."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        monkeypatch.setenv(name, "1")
    monkeypatch.syspath_prepend(str(DOCS))
    spec = importlib.util.spec_from_file_location("guide_build", DOCS / "build.py")
    assert spec is not None
    assert spec.loader is not None
    build = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(build)
    for name in [name for name in sys.modules if name.partition(".")[0] == "plots"]:
        del sys.modules[name]
    assert build.FOLDER == GUIDE / "algorithms" / "plots"
    return {f"{name}.svg" for name in build.PLOTS}


@pytest.mark.parametrize("block", BLOCKS)
def test_python_in_the_guide_runs(
    block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each block is complete in itself, and what it registers is gone afterwards."""
    monkeypatch.chdir(tmp_path)
    before = dict(ALGORITHMS)
    try:
        exec(compile(block, "guide", "exec"), {"__name__": "guide"})
    finally:
        ALGORITHMS.clear()
        ALGORITHMS.update(before)
    assert ("print(" in block) == bool(capsys.readouterr().out)


def test_there_are_blocks_options_and_links() -> None:
    assert len(BLOCKS) >= 12
    assert len(OPTIONS) >= 30
    assert sum(len(LINKS.findall(text)) for text in PAGES.values()) > 20


@pytest.mark.parametrize(("page", "algorithm", "option", "default"), OPTIONS)
def test_every_option_exists_with_its_default(page: str, algorithm: str, option: str, default: str) -> None:
    parameters = inspect.signature(get_algorithm_class(algorithm).__init__).parameters
    assert parameters[option].default == ast.literal_eval(default)


def test_every_plot_is_made_by_the_build_and_shown(plots: set[str]) -> None:
    shown = {
        Path(target).name for text in PAGES.values() for target in re.findall(r"!\[[^]]+\]\(([^)]+)\)", text)
    }
    kept = {path.name for path in (GUIDE / "algorithms" / "plots").iterdir()}
    assert shown == plots == kept


def test_plots_have_no_date() -> None:
    for path in (GUIDE / "algorithms" / "plots").iterdir():
        assert "<dc:date>" not in path.read_text(encoding="utf-8"), path.name


@pytest.mark.parametrize("page", sorted(PAGES))
def test_what_a_page_links_to_exists(page: str) -> None:
    for target in LINKS.findall(PAGES[page]):
        assert (GUIDE / page).parent.joinpath(target).exists(), f"{page} links to {target}"


def test_the_index_has_every_algorithm_and_page() -> None:
    index = PAGES["algorithms/README.md"]
    assert [name for name in ALGORITHMS if f"`{name}`" not in index] == []
    pages = {Path(page).name for page in PAGES if page.startswith("algorithms/")} - {"README.md"}
    assert [page for page in sorted(pages) if f"({page})" not in index] == []


def test_every_law_is_named() -> None:
    assert [law.__name__ for law in LAWS if f"| `{law.__name__}` |" not in PAGES["extending.md"]] == []


def test_the_state_format_is_complete() -> None:
    page = PAGES["state-format.md"]
    assert f'"version": {state.VERSION}' in page
    tags = {*state._DECODERS, "array", "bytes", "deque", "object"}
    assert set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`.*?) \|", page, re.M)))) == tags
