"""The console script itself, driven by the SDK's client: discover, propose, run, result, export."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import anyio
import pytest

mcp = pytest.importorskip("mcp")

REQUEST = "network: too few new connections per second in bursts of short connections"


def parameters(*options: str) -> Any:
    names = ("TACTICIAN_HOME", "PYTHONPATH", "PATH", "TACTICIAN_TESTS_GUARD")
    environment = {name: os.environ[name] for name in names}
    return mcp.StdioServerParameters(
        command=sys.executable, args=["-m", "cli_ai.main", "mcp", *options], env=environment
    )


@pytest.mark.slow
@pytest.mark.needs("unshare", "userns")
def test_from_discovery_to_export_over_stdio(own_state: Path) -> None:
    """With no model, on whatever host this is: the embedded workload in a network of its own."""

    async def story() -> None:
        async with mcp.Client(parameters("--allow-runs")) as client:
            found = await client.call_tool("discover")
            assert found.structured_content["cores"] >= 1
            planned = (await client.call_tool("propose", {"request": REQUEST})).structured_content
            experiment = planned["proposal"]["experiment"]
            assert experiment["network_namespace"] == "throw-away"
            checked = await client.call_tool("validate_experiment", {"experiment": experiment})
            assert checked.structured_content["valid"]
            ended = await client.call_tool("start_run", {"plan": planned["plan"], "trials": 3})
            assert not ended.is_error, ended.content
            result = ended.structured_content["result"]
            assert result["success"] and result["restored"]
            assert result["significant"], "the workload is made so that its tuning shows"
            exported = await client.call_tool("export", {"run": result["run_id"]})
            assert "net.ipv4.ip_local_port_range" in exported.structured_content["text"]

    anyio.run(story)
    assert not list((own_state / "journals").glob("*.jsonl"))


def test_the_package_that_is_missing_is_named(tmp_path: Path) -> None:
    (tmp_path / "mcp.py").write_text("raise ImportError")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from cli_ai.main import app; app(['mcp'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "pip install 'tactician[mcp]'" in done.stderr


def test_standard_output_is_the_protocols_alone() -> None:
    """Nothing is written to it by the server itself, not even where nobody ever speaks."""
    command = [sys.executable, "-m", "cli_ai.main", "mcp"]
    done = subprocess.run(command, input="", capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert done.stdout == ""
