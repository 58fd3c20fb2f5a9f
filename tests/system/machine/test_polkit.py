"""What the daemon's user may ask of systemd, asked of the real polkitd with the rule of the tree."""

from __future__ import annotations

from pathlib import Path

import pytest
from rig.needs import needs
from rig.servers.chroots import CACHE, Chroot

pytestmark = [pytest.mark.system, needs("station")]

RULE = Path(__file__).parents[3] / "systemd" / "dialpost.rules"
STATION, OTHER = 711, 712
_UNIT = "org.freedesktop.systemd1.manage-units --detail unit {} --detail verb {}"
_LOGIN = "org.freedesktop.login1."

ALLOWED = [
    _UNIT.format("dialpost-apply.service", "start"),
    *(_UNIT.format("dialpost-ppp.service", verb) for verb in ("start", "stop", "kill")),
    *(_LOGIN + end for end in ("reboot", "power-off", "reboot-multiple-sessions", "power-off-multiple-sessions")),
]
REFUSED = [
    *(_UNIT.format("dialpost-apply.service", verb) for verb in ("stop", "restart", "kill", "set-property")),
    *(_UNIT.format(unit, "start") for unit in ("ssh.service", "dialpost.service", "constructor", "__proto__", "x")),
    "org.freedesktop.systemd1.manage-units",
    "org.freedesktop.systemd1.manage-unit-files",
    "org.freedesktop.systemd1.set-environment",
    *(_LOGIN + other for other in ("set-reboot-parameter", "halt", "reboot-ignore-inhibit", "manage")),
]

_ASK = """
mkdir -p /run/dbus
dbus-daemon --system --fork
/usr/lib/polkit-1/polkitd >/tmp/polkitd.log 2>&1 &
polkitd=$!
until grep -q "Acquired the name" /tmp/polkitd.log; do kill -0 "$polkitd"; sleep 0.05; done
for user in "$1" "$2"; do
  setpriv --reuid="$user" --regid="$user" --clear-groups sleep 300 &
  subject=$!
  # It is the user's only once setpriv has done its work.
  until grep -q "^Uid:.$user" "/proc/$subject/status"; do sleep 0.01; done
  while read -r -a action; do
    if pkcheck --process "$subject" --action-id "${action[@]}" >/dev/null 2>&1
    then echo "$user yes ${action[*]}"; else echo "$user no ${action[*]}"; fi
  done </actions
done
cat /tmp/polkitd.log >&2
"""


def test_just_this_and_for_nobody_else(work: Path) -> None:
    passwd = work / "passwd"
    users = "".join(f"{name}:x:{uid}:{uid}::/:/bin/sh\n" for name, uid in (("dialpost", STATION), ("other", OTHER)))
    passwd.write_text((CACHE / "station" / "etc" / "passwd").read_text() + users)
    actions = work / "actions"
    actions.write_text("".join(f"{action}\n" for action in (*ALLOWED, *REFUSED)))
    shown = ((passwd, "/etc/passwd"), (RULE, "/usr/share/polkit-1/rules.d/dialpost.rules"), (actions, "/actions"))
    told = Chroot("station", files=shown).run("bash", "-euc", _ASK, "ask", str(STATION), str(OTHER)).splitlines()
    assert told == [
        *(f"{STATION} yes {action}" for action in ALLOWED),
        *(f"{STATION} no {action}" for action in REFUSED),
        *(f"{OTHER} no {action}" for action in (*ALLOWED, *REFUSED)),
    ]
