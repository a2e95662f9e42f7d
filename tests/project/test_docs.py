"""What the documents say is true: their Python blocks run, and every key of a configuration is explained."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tactician.cli import EXIT_CODES
from tactician.config import json_schema, parse_experiment

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, re.S)


@pytest.mark.parametrize("block", [text for language, text in BLOCKS if language == "python"])
def test_python_in_the_readme_runs(block: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each block is complete in itself; the paths in it are seen from the repository's root."""
    monkeypatch.chdir(ROOT)
    exec(compile(block, "README.md", "exec"), {"__name__": "readme"})


def test_configurations_in_the_readme_are_valid() -> None:
    import json

    documents = [json.loads(text) for language, text in BLOCKS if language == "json"]
    assert documents
    for document in documents:
        assert parse_experiment(document).names


def test_every_key_of_a_configuration_is_explained() -> None:
    guide = (ROOT / "docs/guide/configuration.md").read_text(encoding="utf-8")
    schema = json_schema()
    keys = set(schema["properties"])  # type: ignore[arg-type]
    for definition in schema["$defs"].values():  # type: ignore[attr-defined]
        keys |= set(definition["properties"])
    missing = sorted(key for key in keys if f"`{key}`" not in guide)
    assert not missing, f"docs/guide/configuration.md does not explain {missing}"


def test_every_exit_code_is_in_the_readme() -> None:
    for code in re.findall(r"\b(\d+) (?=[a-z])", EXIT_CODES):
        assert re.search(rf"\b{code} ", README), f"exit code {code} is not in the README"


def test_files_that_the_documents_link_to_exist() -> None:
    for name in ("README.md", "ARCHITECTURE.md", "CHANGELOG.md"):
        for target in re.findall(r"\]\(([^)#]+)\)", (ROOT / name).read_text(encoding="utf-8")):
            assert (ROOT / target).exists(), f"{name} links to {target}, which does not exist"
