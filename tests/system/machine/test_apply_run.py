"""The root one-shot for real: with the rights its unit leaves it, on a kernel's name and firewall of its own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from rig.needs import needs

pytestmark = [pytest.mark.system, needs(commands=("nft", "unshare", "setpriv"), root=True)]

UNIT = Path(__file__).parents[3] / "systemd" / "dialpost-apply.service"
CONFIG = '[station]\nhostname = "mail.clinic.example"\ndomains = ["clinic.example"]\n[lan]\nservices = []\n'
# In namespaces of their own: the host's name, the firewall, and a /run of which nothing stays.
_SPACES = ("unshare", "--mount", "--propagation", "private", "--net", "--uts", "--")
_SCRIPT = """
mount -t tmpfs -o mode=755 tmpfs /run
run() { status=0; "$@" || status=$?; echo "status $status"; }
cd /
run $APPLY; hostname
nft list table inet dialpost_lan | grep -c "policy drop"
run $APPLY
nft flush ruleset
run $APPLY; nft list tables
sed -i 's/mail[.]clinic/post.clinic/' $FILE
run $APPLY; hostname
cp /run/dialpost-apply/result.json $FILE.result
find /run -type f -o -type l | sort
"""


def test_it_needs_no_more_rights_than_its_unit_gives_it(work: Path) -> None:
    granted = re.findall(r"^CapabilityBoundingSet=(.*)$", UNIT.read_text(), re.MULTILINE)[0].lower().split()
    capabilities = ",".join(["-all", *(f"+{name.removeprefix('cap_')}" for name in granted)])
    # The file is another user's, in a folder closed to all but that one.
    folder = work / "theirs"
    folder.mkdir(mode=0o750)
    file = folder / "dialpost.toml"
    file.write_text(CONFIG)
    file.chmod(0o640)
    for path in (folder, file):
        os.chown(path, 65_534, 65_534)
    rights = ["setpriv", f"--bounding-set={capabilities}", f"--inh-caps={capabilities}", "--no-new-privs"]
    program = [*rights, sys.executable, "-P", "-m", "dialpost.edge.system.apply", str(file)]
    environment = {**os.environ, "APPLY": " ".join(program), "FILE": str(file)}
    command = [*_SPACES, "bash", "-uc", _SCRIPT]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)
    lines = done.stdout.splitlines()
    assert lines[:3] == ["status 0", "mail", "2"], done.stdout + done.stderr
    assert lines[3:6] == ["status 0", "status 0", "table inet dialpost_lan"], done.stdout + done.stderr
    assert lines[6:8] == ["status 0", "post"], done.stdout + done.stderr
    assert lines[8:] == [
        "/run/chrony-dhcp/dialpost.sources",
        "/run/dialpost-apply/battery-clock",
        "/run/dialpost-apply/firewall.nft",
        "/run/dialpost-apply/hostname",
        "/run/dialpost-apply/hosts",
        "/run/dialpost-apply/localtime",
        "/run/dialpost-apply/result.json",
        "/run/dialpost-apply/state.json",
        "/run/systemd/network/10-dialpost-lan.network",
    ]
    result = json.loads((folder / "dialpost.toml.result").read_text())
    assert result["applied"] and result["reloaded"] == ["the host name", "the names of hosts"], result
    # The second run told nobody; the third, after the firewall was flushed away, the firewall only.
    told = [line for line in done.stderr.splitlines() if line.startswith("told: ")]
    assert told.count("told: the firewall") == 2 and told.count("told: the network") == 1, done.stderr
    assert "PROBLEM" not in done.stderr
