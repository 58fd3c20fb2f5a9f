"""The declared API against a daemon that runs: what it serves, and what wrong requests leave behind."""

import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from console_rig import LiveDaemon, live_daemon
from dialpost.core.control.declared import VERSION, Parameter
from dialpost.core.control.station import STATUS
from dialpost.core.control.table import METHODS
from dialpost.edge.control_socket import ControlClient
from fuzzing import SLOW_IS_NO_FAULT, inputs

ON_TRIAL_ONLY = {"trial.over"}
"""Served instead of the station's methods while a release is on trial: tests/test_daemon_trial."""
WRONG = st.sampled_from([{"a": 1}, [1], [None], "x" * 1_100_000, -(2**62), 1.5e300, True, "\0", ""])


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveDaemon]:
    with live_daemon(tmp_path_factory.mktemp("api")) as running:
        yield running


def asked(daemon: LiveDaemon, line: bytes) -> list[dict[str, Any]]:
    """Every answer to these octets, up to the end of the connection."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(60)
        sock.connect(str(daemon.socket))
        sock.sendall(line)
        sock.shutdown(socket.SHUT_WR)
        with sock.makefile("rb") as stream:
            return [json.loads(answer) for answer in stream]


def test_what_is_served_is_what_is_declared(daemon: LiveDaemon) -> None:
    served = set(daemon.daemon._control._methods)
    assert served == set(METHODS) - ON_TRIAL_ONLY


def test_status_tells_the_version_of_the_api(daemon: LiveDaemon) -> None:
    assert ControlClient(daemon.socket, 30).ask(STATUS).api == VERSION


@settings(
    max_examples=inputs(150),
    deadline=None,
    suppress_health_check=[*SLOW_IS_NO_FAULT, HealthCheck.function_scoped_fixture],
)
@given(st.data())
def test_a_wrong_parameter_is_one_error_that_names_it_and_nothing_is_done(
    daemon: LiveDaemon, data: st.DataObject
) -> None:
    """Whatever the method would do: it is stopped before its handler, and the daemon answers the next."""
    method = METHODS[data.draw(st.sampled_from(sorted(set(METHODS) - ON_TRIAL_ONLY)))]
    names = [one.name for one in method.parameters]
    name = data.draw(st.sampled_from([*names, "colour"]))
    value = {"colour": 1} if name == "colour" else {name: data.draw(WRONG)}
    declared = {one.name: one for one in method.parameters}
    if name in declared and _is_allowed(declared[name], value[name]):
        return
    line = json.dumps({"method": method.name, "params": value}).encode() + b"\n"
    first, second = asked(daemon, line + b'{"method": "log.tail", "params": {"lines": 1}}\n')
    assert first["kind"] == "ControlError" and "\n" not in first["error"] and len(first["error"]) < 300
    assert name in first["error"] or any(f"{one} is missing" in first["error"] for one in names)
    assert isinstance(second["result"], list)


def _is_allowed(parameter: Parameter, value: Any) -> bool:
    kinds: dict[object, Any] = {bool: bool, int: int, float: (int, float), str: str}
    if parameter.is_list or parameter.choices:
        return False
    if isinstance(value, bool) != (parameter.value_type is bool):
        return False
    if not isinstance(value, kinds[parameter.value_type]):
        return False
    size = len(value) if isinstance(value, str) else value
    low = parameter.setting.minimum
    return (low is None or size >= low) and (parameter.maximum is None or size <= parameter.maximum)


@pytest.mark.parametrize("name", sorted(set(METHODS) - ON_TRIAL_ONLY))
def test_each_method_refuses_a_parameter_it_has_not(daemon: LiveDaemon, name: str) -> None:
    line = json.dumps({"method": name, "params": {"colour": "blue"}}).encode() + b"\n"
    (answer,) = asked(daemon, line)
    assert answer["error"].startswith(f"{name} has no parameter 'colour'")
