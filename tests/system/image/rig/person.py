"""An operator at the serial console: goes through the set-up wizard with the provider's letter at hand (the
dialogue is that of the README's first ten minutes), and types commands.
"""

from __future__ import annotations

import pexpect
from image.rig.console import Console

from rig.line.places import NUMBER, PPP_PASSWORD, PPP_USER
from rig.station import DOMAIN

ADMIN_PASSWORD, ANNAS_PASSWORD = "harbour-gate-5", "anna-and-post-7"
ANNAS_NEXT_PASSWORD = "anna-begins-again-8"
MAIL_HOST = "mail.provider.example"
PROMPT = "dialpost> "
SECRETS = (PPP_PASSWORD, ADMIN_PASSWORD, ANNAS_PASSWORD, ANNAS_NEXT_PASSWORD)

_ANSWERS = (
    ("Domain:", DOMAIN),
    ("Link [1]:", ""),
    ("Modem [1]:", ""),
    ("Provider's number:", NUMBER),
    ("Country [6]:", ""),
    ("Dial-in user:", PPP_USER),
    ("Dial-in password:", PPP_PASSWORD),
    ("Dial-in password again:", PPP_PASSWORD),
    ("Mail host:", MAIL_HOST),
    ("Mail login [1]:", ""),
    ("Incoming mail [1]:", ""),
    (f"ETRN host [{MAIL_HOST}]:", ""),
    ("Trusted line [1]:", ""),
    ("Call times [none]:", ""),
    ("Local network [1]:", ""),
    ("Time zone [UTC]:", "Europe/Vienna"),
    ("Admin password:", ADMIN_PASSWORD),
    ("Admin password again:", ADMIN_PASSWORD),
    ("User 1:", "anna"),
    ("anna's password:", ANNAS_PASSWORD),
    ("anna's password again:", ANNAS_PASSWORD),
    ("User 2:", ""),
    ("`yes`, or a number:", "yes"),
    ("Call now? yes or no [yes]:", "no"),
)


def sit_down(console: Console) -> None:
    """Press Enter where the console asks for it; returns when the wizard has said its first words."""
    console.expect_exact("Dialpost: Dialpost")  # a station without a name
    console.expect_exact("Press Enter.")
    console.sendline()
    console.expect_exact("This station is not set up yet.")


def set_up(console: Console, *, annas_password: str = ANNAS_PASSWORD) -> str:
    """Answer every question, read the review page, say yes; no trial call. All that the screen showed."""
    shown = ""
    for prompt, typed in _ANSWERS:
        shown += _answer(console, prompt, annas_password if typed == ANNAS_PASSWORD else typed)
    console.expect_exact("The station works.")
    shown += console.before + console.after
    console.expect_exact(PROMPT)
    return str(shown) + str(console.before)


def log_in(console: Console) -> None:
    """Back to the prompt; with the admin password where the console was left alone for too long."""
    console.expect([pexpect.TIMEOUT], timeout=1)
    console.expect(r"(?s).*\Z")  # what was said so far counts no more
    console.sendline()
    while (seen := console.expect_exact(["Press Enter. ", "Password: ", PROMPT])) != 2:
        console.sendline(ADMIN_PASSWORD if seen else "")


def command(console: Console, line: str) -> str:
    """Type a command at the prompt; what it said."""
    console.sendline(line)
    console.expect_exact(line)
    console.expect_exact(PROMPT)
    return str(console.before)


def reset(console: Console) -> None:
    """The factory reset, with the two questions it asks; the machine goes down then."""
    log_in(console)
    console.sendline("factory-reset")
    _answer(console, "Continue? Type yes:", "yes")
    _answer(console, "To confirm, type `erase everything`:", "erase everything")
    console.expect_exact("The station restarts and is reset.")


def _answer(console: Console, prompt: str, typed: str) -> str:
    console.expect_exact(prompt + " ")
    shown = console.before + console.after
    console.sendline(typed)
    return str(shown)
