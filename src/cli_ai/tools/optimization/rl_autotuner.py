"""The seed's door: the documented command line and ``run_rl_optimization``, in front of Tactician."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

try:
    from tactician import errors, results, running, wiring
except ModuleNotFoundError:  # run by path from a checkout that is not installed
    sys.path.insert(0, str(Path(__file__).resolve().parents[3]))
    from tactician import errors, results, running, wiring

from tactician.options import Options


def run_rl_optimization(
    config_path: str | Path, dry_run: bool = False, verbose: bool = True
) -> dict[str, Any]:
    """Tune this host as a configuration file says, restore it, and return what was proven.

    Args:
        config_path: JSON or YAML.
        dry_run: simulate host and benchmark; nothing is written, nothing is started.
        verbose: show the run; False shows warnings and the verdict only.

    Returns:
        The run's result: ``success``, ``best_config``, ``improvement`` (percent, 0.0 unless proven),
        ``improvement_interval``, ``significant``, ``restored`` and more. When nothing could be begun,
        ``success`` is False and ``error`` says why.

    Raises:
        MisuseError: the call itself makes no sense.
    """
    return _run(Path(config_path), dry_run, verbose)[0]


def main(argv: list[str] | None = None) -> int:
    """Run the documented command line and return its exit status."""
    parser = argparse.ArgumentParser(prog="rl_autotuner.py", description=__doc__)
    parser.add_argument("--config", required=True, type=Path, help="the experiment, JSON or YAML")
    parser.add_argument("--dry-run", action="store_true", help="simulation only")
    parser.add_argument("--quiet", action="store_true", help="warnings and the verdict only")
    arguments = parser.parse_args(argv)
    result, status = _run(arguments.config, arguments.dry_run, not arguments.quiet)
    if result.get("error") and "trials" not in result:
        print(f"error: {result['error']}", file=sys.stderr)
    return status


def _run(path: Path, dry_run: bool, verbose: bool) -> tuple[dict[str, Any], int]:
    options = Options(dry_run=dry_run)
    try:
        experiment = wiring.load_document(path)
        if running.needs_namespace(experiment, options):
            result, status = running.run_in_child(path, dry_run=dry_run, verbose=verbose)
            if isinstance(result.get("error"), dict):
                return _not_begun(result["error"], dry_run, status), status
            return result, status
        return running.run_file(path, {}, {"dry_run": dry_run}, quiet=not verbose, as_json=False)
    except errors.MisuseError:
        raise
    except errors.TacticianError as error:
        problems = [{"path": problem.path, "message": problem.message} for problem in error.problems]
        said = {"message": str(error), "problems": problems}
        return _not_begun(said, dry_run, error.exit_status), error.exit_status


def _not_begun(error: dict[str, Any], dry_run: bool, status: int) -> dict[str, Any]:
    return {
        "success": False,
        "best_config": {},
        "improvement": 0.0,
        "improvement_interval": None,
        "significant": False,
        "restored": status != results.NOT_RESTORED,
        "dry_run": dry_run,
        "error": error["message"],
        "problems": error["problems"],
    }


if __name__ == "__main__":
    sys.exit(main())
