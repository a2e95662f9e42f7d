"""A real client of the SDK drives the server over standard input and output, in a namespace of its own."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from end_to_end.support import Namespace, document, living, until, write

mcp = pytest.importorskip("mcp")

SERVED = Path(__file__).with_name("served.py")
KEY = "net/core/somaxconn"
SLOW = f"sleep 0.5; n=$(cat /proc/sys/{KEY}); echo ops: $((n * 1000 + $$ % 97))"

pytestmark = pytest.mark.needs("root", "ip", "nsenter")


@pytest.fixture
def network() -> Iterator[Namespace]:
    namespace = Namespace()
    try:
        namespace.write(KEY, "256")
        yield namespace
    finally:
        namespace.delete()


def parameters(config: Path, network: Namespace) -> Any:
    environment = {name: os.environ[name] for name in ("TACTICIAN_HOME", "PYTHONPATH", "PATH")}
    environment["TACTICIAN_TESTS_GUARD"] = os.environ.get("TACTICIAN_TESTS_GUARD", "")
    command, *arguments = [*network.prefix, sys.executable, str(SERVED), str(config)]
    return mcp.StdioServerParameters(command=command, args=arguments, env=environment)


def content(result: Any) -> dict[str, Any]:
    assert not result.is_error, result.content
    assert json.loads(result.content[0].text) == result.structured_content
    return result.structured_content


def leftovers(home: Path) -> list[Path]:
    return [*(home / "journals").glob("*.jsonl"), *(home / "applied").glob("*.jsonl")]


def test_the_whole_story(tmp_path: Path, network: Namespace, own_state: Path) -> None:
    """Propose, run with progress, read, export, apply and revert behind a confirmation."""
    config = write(tmp_path / "c.json", document())
    before = network.snapshot()
    messages: list[tuple[float, str]] = []

    async def progressed(progress: float, total: float | None, message: str | None) -> None:
        messages.append((progress, message or ""))

    async def story() -> None:
        async with mcp.Client(parameters(config, network)) as client:
            planned = content(await client.call_tool("propose", {"request": "more room for bursts"}))
            ended = content(
                await client.call_tool("start_run", {"plan": planned["plan"]}, progress_callback=progressed)
            )
            assert ended["result"]["success"] and ended["result"]["restored"]
            assert network.snapshot() == before
            run = ended["progress"]["run_id"]
            assert content(await client.call_tool("run_progress", {"run": run}))["state"] == "finished"
            read = content(await client.call_tool("read_result", {"run": run}))
            assert read["result"] == ended["result"]
            listed = content(await client.call_tool("list_runs"))
            assert [one["run_id"] for one in listed["runs"]] == [run]
            exported = content(await client.call_tool("export", {"run": run}))
            best = ended["result"]["best_config"]["net.core.somaxconn"]
            assert f"net.core.somaxconn = {best}" in exported["text"]
            await applied_and_reverted(client, run, best)
            page = await client.read_resource(f"tactician://run/{run}")
            assert json.loads(page.contents[0].text)["run_id"] == run

    async def applied_and_reverted(client: Any, run: str, best: int) -> None:
        first = content(await client.call_tool("apply", {"run": run}))
        assert first["done"] is False
        assert first["would"]["changes"] == {"net.core.somaxconn": {"was": 256, "becomes": best}}
        assert network.read(KEY).strip() == "256"
        token = first["confirmation"]
        other = content(await client.call_tool("apply", {"run": "last", "confirmation": token}))
        assert other["done"] is False, "a token is for the arguments that were shown"
        again = content(await client.call_tool("apply", {"run": run, "confirmation": token}))
        assert again["done"] is False, "a token can be used once, rightly or wrongly"
        assert network.read(KEY).strip() == "256"
        fresh = again["confirmation"]
        content(await client.call_tool("apply", {"run": run, "confirmation": fresh}))
        assert network.read(KEY).strip() == str(best)
        await reverted(client, run)
        timed = {"run": run, "confirm_within": "5m"}
        first = content(await client.call_tool("apply", timed))
        content(await client.call_tool("apply", {**timed, "confirmation": first["confirmation"]}))
        content(await client.call_tool("confirm", {"run": run}))
        assert network.read(KEY).strip() == str(best)
        await reverted(client, run)

    async def reverted(client: Any, run: str) -> None:
        back = content(await client.call_tool("revert", {"run": run}))
        content(await client.call_tool("revert", {"run": run, "confirmation": back["confirmation"]}))
        assert network.read(KEY).strip() == "256"

    anyio.run(story)
    assert len(messages) > 3
    assert [number for number, _ in messages] == sorted({number for number, _ in messages})
    assert any("trial" in message for _, message in messages)
    assert network.snapshot() == before
    assert leftovers(own_state) == []


def test_a_cancelled_call_restores_the_host(tmp_path: Path, network: Namespace, own_state: Path) -> None:
    config = write(tmp_path / "c.json", document(benchmark_command=SLOW, budget={"trials": 200}))
    before = network.snapshot()

    async def story() -> None:
        async with mcp.Client(parameters(config, network)) as client:
            planned = content(await client.call_tool("propose", {"request": "x"}))
            trial = anyio.Event()

            async def progressed(progress: float, total: float | None, message: str | None) -> None:
                if "trial" in (message or ""):
                    trial.set()

            async with anyio.create_task_group() as group:

                async def run() -> None:
                    await client.call_tool(
                        "start_run", {"plan": planned["plan"]}, progress_callback=progressed
                    )

                group.start_soon(run)
                with anyio.fail_after(60):
                    await trial.wait()
                    while network.read(KEY).strip() == "256":  # until a trial's value is in place
                        await anyio.sleep(0.02)
                group.cancel_scope.cancel()
            # The server is still there, and ends no later call before the host is restored.
            with anyio.fail_after(60):
                while True:
                    now = content(await client.call_tool("list_runs"))["runs"][0]
                    if now["state"] != "running":
                        break
                    await anyio.sleep(0.1)
            assert now["state"] == "interrupted"
            assert network.snapshot() == before

    anyio.run(story)
    assert leftovers(own_state) == []
    assert until(lambda: not network.pids(), 10)


@pytest.mark.parametrize("how", ["closed", "killed"])
def test_a_server_that_ends_takes_its_run_along(
    tmp_path: Path, network: Namespace, own_state: Path, how: str
) -> None:
    """Whether the client closes the pipes or somebody kills the server: the run ends and restores."""
    config = write(tmp_path / "c.json", document(benchmark_command=SLOW, budget={"trials": 200}))
    before = network.snapshot()

    async def story() -> None:
        async with mcp.Client(parameters(config, network)) as client:
            planned = content(await client.call_tool("propose", {"request": "x"}))
            content(await client.call_tool("start_run", {"plan": planned["plan"], "wait": False}))
            with anyio.fail_after(60):
                while network.read(KEY).strip() == "256":
                    await anyio.sleep(0.02)
            if how == "killed":
                for pid in living(str(SERVED), str(config)):
                    os.kill(pid, signal.SIGKILL)

    anyio.run(story)
    assert until(lambda: not network.pids(), 30)
    assert network.snapshot() == before
    assert leftovers(own_state) == []
