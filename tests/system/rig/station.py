"""The station under test: the real daemon as a child, the real command line beside it."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from dialpost.edge.control_socket import ControlClient
from dialpost.edge.mail.store.rows import STATE_CODES
from rig.ports import free_port
from rig.processes import Child, RigError, eventually

_ROOT = Path(__file__).parents[3]
PROGRAM = Path(os.environ.get("DIALPOST_PROGRAM", _ROOT / ".venv" / "bin" / "dialpost"))
DOMAIN = "clinic.example"
PASSWORD = "a good long secret 1"

_WAITING = """
SELECT message.message_id FROM recipient JOIN message ON message.id = recipient.key >> 20
WHERE recipient.state = 0 AND recipient.address = ?
"""

NOBODY = 65_534
# As on the station the daemon is nobody special; but it may read Python and this tree wherever they lie.
_READ = "+dac_read_search"
_AS_NOBODY = [
    "setpriv",
    f"--reuid={NOBODY}",
    f"--regid={NOBODY}",
    "--clear-groups",
    "--inh-caps",
    _READ,
    "--ambient-caps",
    _READ,
]

Settings = Mapping[str, Mapping[str, Any]]


class Station:
    """One station with its data under `directory`; `settings` are laid over what every test wants.
    `unprivileged`: the daemon runs as nobody, also where the tests run as root.

    `port`, `submission_port` and `submissions_port` are its doors; `log` is what it says.
    """

    def __init__(
        self,
        directory: Path,
        *,
        domains: tuple[str, ...] = (DOMAIN,),
        settings: Settings | None = None,
        env: dict[str, str] | None = None,
        log: Path | None = None,
        data_dir: Path | None = None,
        unprivileged: bool = False,
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.data_dir = data_dir or directory / "data"
        self.port, self.submission_port, self.submissions_port = free_port(), free_port(), free_port()
        self._run_dir = Path(tempfile.mkdtemp(prefix="dp-run-"))  # short: a socket's path has a limit
        self.log = log or directory / "station.log"
        self._env = env
        self._as_user: list[str] = []
        if unprivileged:
            self._as_user = _AS_NOBODY
            for path in (directory, self._run_dir):
                os.chown(path, NOBODY, NOBODY)
        self.config = directory / "dialpost.toml"
        self.child: Child | None = None
        defaults: dict[str, dict[str, Any]] = {
            "station": {
                "hostname": f"mail.{domains[0]}",
                "domains": list(domains),
                "data_dir": str(self.data_dir),
                "run_dir": str(self._run_dir),
            },
            "smtp": {
                "listen": [f"127.0.0.1:{self.port}"],
                "submission_listen": [f"127.0.0.1:{self.submission_port}"],
                "submissions_listen": [f"127.0.0.1:{self.submissions_port}"],
                "disk_reserve_bytes": 0,
            },
            "relay": {"networks": ["127.0.0.1/32"]},
            "outbound": {"smarthost": "127.0.0.1", "port": 1, "tls": "none"},
            "link": {"kind": "dialup-gateway"},
            "call": {
                "grace_min_s": 1.0,
                "grace_max_s": 4.0,
                "cooldown_s": 0,
                "redial_attempts": 0,
                "dial_timeout_s": 5,
            },
            "schedule": {"min_pause_min": 0},
            "budget": {"billing_step_s": 1},  # a minute would be used for retries where mail is deferred
        }
        for section, values in (settings or {}).items():
            defaults.setdefault(section, {}).update(values)
        self.configure(defaults)

    def configure(self, settings: Settings) -> None:
        """Write the configuration file again (a running daemon does not see it)."""
        self.settings = settings
        self.config.write_text(config_text(settings))

    def start(self, *, within_s: float = 20.0, wait: bool = True) -> Station:
        """Start the daemon; returns when it greets, or at once. It makes its directories itself."""
        self.child = Child([*self._as_user, PROGRAM, "--config", self.config, "daemon"], self.log, env=self._env)
        if wait:
            self.child.wait_for_greeting(self.port, greeting=b"220 ", within_s=within_s)
            # Mail is taken a moment before commands are, which would find the data in use without their socket.
            answers = ControlClient(self.control_socket, 10).available
            eventually(answers, within_s=within_s, what="the control socket")
        return self

    def kill(self) -> None:
        """SIGKILL, as a power cut would."""
        assert self.child is not None
        self.child.kill()

    def stop(self) -> int:
        """SIGTERM; the exit status."""
        assert self.child is not None
        return self.child.stop()

    def __enter__(self) -> Station:
        return self if self.child else self.start()

    def __exit__(self, *exc: object) -> None:
        try:
            if self.child is not None and self.child.is_running():
                status = self.child.stop()
                if status != 0 and exc[0] is None:
                    raise RigError(f"the station ended with {status} on SIGTERM:\n{self.child.tail()}")
        finally:
            shutil.rmtree(self._run_dir, ignore_errors=True)

    def run(self, *arguments: str, input: str = "", timeout_s: float = 60.0) -> subprocess.CompletedProcess[str]:
        """One `dialpost` command, whatever its exit status."""
        return subprocess.run(
            [PROGRAM, "--config", self.config, *arguments],
            input=input,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            env={**os.environ, **self._env} if self._env else None,
        )

    def cli(self, *arguments: str, input: str = "", timeout_s: float = 60.0) -> str:
        """One `dialpost` command that has to succeed; its standard output."""
        done = self.run(*arguments, input=input, timeout_s=timeout_s)
        assert done.returncode == 0, f"dialpost {arguments}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def add_account(self, name: str, password: str = PASSWORD) -> None:
        self.cli("account", "add", name, "--password-stdin", input=f"{password}\n")

    def call(self, *, timeout_s: float = 120.0) -> subprocess.CompletedProcess[str]:
        """`dialpost call now`: returns when the call is over."""
        return self.run("call", "now", timeout_s=timeout_s)

    def last_call(self) -> dict[str, Any]:
        calls: list[dict[str, Any]] = json.loads(self.cli("call", "history", "--json", "-n", "1"))
        return calls[0]

    def status(self) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self.run("status", "--json").stdout)
        return answer

    def waiting(self) -> dict[str, int]:
        """The queue's counts as `status` tells them."""
        counts: dict[str, int] = self.status()["queue"]
        return counts

    @property
    def control_socket(self) -> Path:
        """Where the control API answers."""
        return self._run_dir / "control.sock"

    def states_of(self, address: str) -> dict[str, str]:
        """The state ("waiting", "held", "deleted" ...) of each message for this recipient, by Message-ID."""
        query = (
            "SELECT message.message_id, recipient.state FROM recipient "
            "JOIN message ON message.id = recipient.key >> 20 WHERE recipient.address = ?"
        )
        with closing(sqlite3.connect(f"file:{self.data_dir / 'queue.db'}?mode=ro", uri=True)) as database:
            rows = database.execute(query, (address,)).fetchall()
        words = {code: state.value for state, code in STATE_CODES.items()}
        return {str(name).strip("<>"): words[code] for name, code in rows}

    def maildir(self, account: str) -> Path:
        return self.data_dir / "mail" / account

    def log_text(self) -> str:
        return self.log.read_text("utf-8", "replace")

    def wait_for_log(self, text: str, *, within_s: float = 20.0) -> None:
        eventually(lambda: text in self.log_text(), within_s=within_s, what=f"{text!r} in the station's log")

    @property
    def dovecot_users(self) -> Path:
        """The user file the daemon renders for Dovecot."""
        return self.data_dir / "dovecot-users"

    def waiting_message_ids(self, address: str) -> list[str]:
        """The Message-ID of each message that waits for this recipient, straight out of the database."""
        with closing(sqlite3.connect(f"file:{self.data_dir / 'queue.db'}?mode=ro", uri=True)) as database:
            rows = database.execute(_WAITING, (address,)).fetchall()
        return [str(row[0]).strip("<>") for row in rows]


def provider_at(station: Station, port: int, **more: Mapping[str, Any]) -> None:
    """Tell a station not yet started where its provider is (sections in `more` are laid over that)."""
    settings = {name: dict(values) for name, values in station.settings.items()}
    settings["outbound"] |= {"port": port}
    settings["etrn"] = settings.get("etrn", {}) | {"port": port, "tls": "none"}
    for section, values in more.items():
        settings[section] = settings.get(section, {}) | dict(values)
    station.configure(settings)


def config_text(settings: Settings) -> str:
    """The configuration file with these settings."""
    return "\n".join(
        f"[{section}]\n" + "".join(f"{key} = {_toml(value)}\n" for key, value in values.items())
        for section, values in settings.items()
    )


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(k)} = {_toml(v)}" for k, v in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    return json.dumps(value, ensure_ascii=False)
