"""The login that some providers want before PPP: runs modem.login_script on the port (`core/line/at/login`)."""

from __future__ import annotations

import asyncio

from dialpost.core.config.model import ModemConfig
from dialpost.core.line.at.login import LoggedIn, LoginLost, LoginScript, Send
from dialpost.core.line.link import Again, DialOutcome, DialResult
from dialpost.core.line.reasons import CHECK_LOGIN
from dialpost.flow.line.modem.port import Port


async def log_in(port: Port, config: ModemConfig, user: str, password: str) -> DialOutcome:
    """CONNECTED when the script is done. Each of its texts has modem.login_timeout_s. Raises: PortError."""
    script = LoginScript(config.login_script, user, password)
    loop, waits_for = asyncio.get_running_loop(), script.waits_for
    try:
        async with asyncio.timeout(config.login_timeout_s) as limit:
            data = b""
            while True:
                for step in script.receive(data):
                    if isinstance(step, Send):
                        await port.write(step.data)
                    elif isinstance(step, LoggedIn):
                        return DialOutcome(DialResult.CONNECTED)
                    elif isinstance(step, LoginLost):
                        if script.is_refused:
                            return _refused(script)
                        return DialOutcome(
                            DialResult.NO_CARRIER,
                            "The line was lost while logging in. If this repeats, check modem.login_script.",
                        )
                if waits_for != script.waits_for:  # the next text gets its own time; other input does not extend it
                    waits_for = script.waits_for
                    limit.reschedule(loop.time() + config.login_timeout_s)
                data = await port.read(1)  # byte by byte: PPP frames may follow at once, and are pppd's
    except TimeoutError:
        if script.is_refused:
            return _refused(script)
        seen = f' Its last words: "{script.seen}".' if script.seen else ""
        return DialOutcome(
            DialResult.ERROR,
            f'The provider did not say "{script.waits_for}" within {config.login_timeout_s} s.{seen} '
            "Check modem.login_script.",
        )


def _refused(script: LoginScript) -> DialOutcome:
    return DialOutcome(
        DialResult.ERROR,
        f'The provider refused the login before PPP. Its last words: "{script.seen}". {CHECK_LOGIN}',
        again=Again.AFTER_CHANGE,
    )
