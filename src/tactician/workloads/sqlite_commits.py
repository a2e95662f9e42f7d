"""Measures how many small transactions a database allows when its PRAGMAs say how it waits for the disk.

Each turn is one small transaction (a transfer between two of 20,000 accounts, and a line in the ledger) and
four reads. The table is a little larger than SQLite's default page cache. Without options every PRAGMA is
SQLite's own default. At the end the accounts must balance, and the ledger must hold every transaction.

What the values risk: ``synchronous`` OFF and ``journal_mode`` MEMORY or OFF may destroy the database when
the machine fails, and the shipped experiment does not contain them. With ``synchronous`` NORMAL and WAL the
database stays sound, but the last transactions before a power failure may be gone.
"""

from __future__ import annotations

import argparse
import random
import sqlite3
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tactician.workloads._program import Figures, Parser, Progress, parser, run
from tactician.workloads._scratch import default_directory, scratch

ACCOUNTS = 20_000
READS = 4
FILLING = "x" * 100

Pragmas = Mapping[str, str | int]
"""PRAGMA name to value, in the order in which they must be set."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark as a program and return its exit status."""
    options = _parser().parse_args(arguments)
    pragmas = {
        # The page size is fixed by the first write, and switching to WAL is one.
        "page_size": options.page_size,
        "locking_mode": options.locking_mode,
        "journal_mode": options.journal_mode,
        "synchronous": options.synchronous,
        "wal_autocheckpoint": options.wal_autocheckpoint,
        "cache_size": -options.cache_kib,
        "mmap_size": options.mmap_mib * 2**20,
    }
    progress = Progress("transactions_per_second", options.progress)
    return run("sqlite_commits", lambda: measure(options.directory, pragmas, options.duration, progress))


def _parser() -> Parser:
    made = parser("sqlite_commits", "Small transactions and reads on a SQLite database.", duration_s=1.5)
    made.add_argument("--directory", type=Path, help="where the database is made and removed; best on a disk")

    def choice(option: str, default: str, *others: str) -> None:
        made.add_argument(option, choices=(default, *others), default=default, type=str.upper)

    def number(option: str, default: int, least: int, most: int, meaning: str) -> None:
        made.add_argument(option, default=default, type=_whole(least, most), metavar="N", help=meaning)

    choice("--journal-mode", "DELETE", "TRUNCATE", "PERSIST", "WAL", "MEMORY", "OFF")
    choice("--synchronous", "FULL", "NORMAL", "EXTRA", "OFF")
    choice("--locking-mode", "NORMAL", "EXCLUSIVE")
    made.add_argument("--page-size", choices=[2**power for power in range(9, 17)], default=4096, type=int)
    number("--wal-autocheckpoint", 1000, 1, 10**6, "pages in the log that bring a checkpoint (default: 1000)")
    number("--cache-kib", 2000, 1, 2**22, "size of the page cache (default: 2000)")
    number("--mmap-mib", 0, 0, 2**14, "how much of the file is mapped into memory (default: 0)")
    return made


def _whole(least: int, most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        number = int(text) if text.isascii() and text.isdigit() else -1
        if not least <= number <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number from {least} to {most}")
        return number

    return read


def measure(
    directory: Path | None, pragmas: Pragmas, duration_s: float, progress: Progress | None = None
) -> Figures:
    """Make a database, work on it for so many seconds, check it, and remove it.

    Raises:
        RuntimeError: SQLite refuses, or the database is not consistent at the end.
    """
    with scratch(directory or default_directory()) as folder:
        try:
            connection = prepare(folder / "bank.db", pragmas)
            try:
                transactions, elapsed = work(connection, duration_s, progress)
                check(connection, transactions)
            finally:
                connection.close()
        except sqlite3.Error as error:
            raise RuntimeError(f"SQLite: {error}") from error
    return {
        "transactions_per_second": transactions / elapsed,
        "transactions": transactions,
        "reads_per_second": transactions * READS / elapsed,
    }


def prepare(path: Path, pragmas: Pragmas) -> sqlite3.Connection:
    """Create the database and its accounts and return an open connection.

    Raises:
        RuntimeError: the journal mode is not possible here.
    """
    connection = sqlite3.connect(path, isolation_level=None)
    for name, value in pragmas.items():
        connection.execute(f"PRAGMA {name} = {value}")
    mode = connection.execute("PRAGMA journal_mode").fetchone()[0]
    if mode.upper() != pragmas.get("journal_mode", mode.upper()):
        # SQLite says nothing when a file system cannot hold a write-ahead log; it keeps the old mode.
        raise RuntimeError(f"SQLite keeps journal_mode {mode} in {path.parent.parent}")
    connection.execute("BEGIN")
    connection.execute("CREATE TABLE account (id INTEGER PRIMARY KEY, balance INTEGER, owner TEXT)")
    connection.execute("CREATE TABLE ledger (id INTEGER PRIMARY KEY, giver INTEGER, taker INTEGER)")
    rows = ((number, 0, FILLING) for number in range(ACCOUNTS))
    connection.executemany("INSERT INTO account VALUES (?, ?, ?)", rows)
    connection.execute("COMMIT")
    return connection


def work(
    connection: sqlite3.Connection, duration_s: float, progress: Progress | None = None
) -> tuple[int, float]:
    """Transfer and read for so many seconds; return the number of transactions and the time they took."""
    progress = progress or Progress("", None)
    dice = random.Random(2)
    transactions = 0
    start = time.monotonic()
    while (elapsed := time.monotonic() - start) < duration_s:
        giver, taker = dice.randrange(ACCOUNTS), dice.randrange(ACCOUNTS)
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("UPDATE account SET balance = balance - 1 WHERE id = ?", (giver,))
        connection.execute("UPDATE account SET balance = balance + 1 WHERE id = ?", (taker,))
        connection.execute("INSERT INTO ledger (giver, taker) VALUES (?, ?)", (giver, taker))
        connection.execute("COMMIT")
        transactions += 1
        for _ in range(READS):
            account = (dice.randrange(ACCOUNTS),)
            connection.execute("SELECT balance, owner FROM account WHERE id = ?", account).fetchone()
        if elapsed >= progress.due_s:
            progress.tell(time.monotonic() - start, transactions)
    return transactions, elapsed


def check(connection: sqlite3.Connection, transactions: int) -> None:
    """Compare the database with what was done to it.

    Raises:
        RuntimeError: money or ledger lines are missing.
    """
    total, accounts = connection.execute("SELECT sum(balance), count(*) FROM account").fetchone()
    lines = connection.execute("SELECT count(*) FROM ledger").fetchone()[0]
    if (total, accounts, lines) != (0, ACCOUNTS, transactions):
        raise RuntimeError(
            f"the database is not consistent: {total=}, {accounts=} of {ACCOUNTS}, {lines=} of {transactions}"
        )


if __name__ == "__main__":
    sys.exit(main())
