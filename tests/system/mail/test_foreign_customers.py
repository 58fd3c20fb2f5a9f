"""Other people's customers of ATRN, Exim's `-atrn` and fetchmail's ODMR mode, fetch from the simulated provider.

What they agree on with it is RFC 2645, not only what the station's own client makes of that.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from rig.mailboxes import arrived, maildir_files, make_message
from rig.needs import needs
from rig.processes import eventually
from rig.servers.chroots import Chroot
from rig.station import DOMAIN, Station

from dialpost.sim.provider.provider import Provider, ProviderSettings
from dialpost.sim.provider.turned import Held

pytestmark = pytest.mark.system

USER, PASSWORD = "clinic", "geheim"
SENT = [f"in.{number}@world.example" for number in range(44)]

_EXIM = """\
primary_hostname = mail.clinic.example
spool_directory = {directory}/spool
log_file_path = {directory}/log/%slog
keep_environment =
host_lookup =
rfc1413_query_timeout = 0s
tls_advertise_hosts =
queue_only
acl_smtp_rcpt = accept
begin routers
to_provider:
  driver = manualroute
  condition = ${{if eq {{$atrn_mode}}{{C}}}}
  route_data = <;$domain
  self = send
  transport = call_provider
ours:
  driver = accept
  domains = clinic.example
  transport = mailbox
begin transports
call_provider:
  driver = smtp
  port = {port}
  allow_localhost
  hosts_require_auth = *
  command_timeout = 10m
mailbox:
  driver = appendfile
  directory = {directory}/mail
  maildir_format
  create_directory
  user = nobody
  group = nogroup
begin authenticators
cram_md5:
  driver = cram_md5
  public_name = CRAM-MD5
  client_name = {user}
  client_secret = {password}
"""


@pytest.fixture
def provider(work: Path) -> Iterator[Provider]:
    """It runs in a thread with an event loop of its own, as its customers are processes."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    running = Provider(ProviderSettings(atrn_user=USER, atrn_password=PASSWORD), work / "provider")
    for message_id in SENT:
        sender, recipient = "friend@world.example", f"anna@{DOMAIN}"
        running.hold(Held(sender, (recipient,), make_message(message_id, sender, [recipient])))
    asyncio.run_coroutine_threadsafe(running.start(), loop).result(20)
    yield running
    asyncio.run_coroutine_threadsafe(running.stop(), loop).result(20)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(20)
    loop.close()


@needs("hub-exim")
def test_exim_as_the_customer(work: Path, provider: Provider) -> None:
    directory = work / "exim"
    for folder in (directory, directory / "spool", directory / "log", directory / "mail"):
        folder.mkdir()
        folder.chmod(0o777)
    config = directory / "exim4.conf"
    config.write_text(_EXIM.format(directory=directory, port=provider.port, user=USER, password=PASSWORD))
    chroot = Chroot("hub-exim", (directory,), ((config, "/etc/exim4/exim4.conf"),))
    chroot.run("chown", "Debian-exim:", directory / "spool", directory / "log")

    chroot.run("exim4", "-atrn", "127.0.0.1", DOMAIN)
    assert maildir_files(directory / "mail") == []  # queue_only: nothing is left to a process in the background
    chroot.run("exim4", "-q")

    assert arrived(directory / "mail") == sorted(SENT)
    assert provider.waiting == 0
    assert provider.ledger.atrn_asked == [DOMAIN]


@needs("line")
def test_fetchmail_in_its_odmr_mode(work: Path, provider: Provider) -> None:
    """It hands what it fetches to an SMTP server, which here is a station."""
    settings = work / "fetchmailrc"
    with Station(work / "station") as station:
        station.add_account("anna")
        settings.write_text(
            f"poll 127.0.0.1 protocol ODMR port {provider.port} user {USER} password {PASSWORD} "
            f"fetchdomains {DOMAIN} smtphost 127.0.0.1/{station.port}\n"
        )
        settings.chmod(0o600)
        # It wants to know its own full name.
        hosts = work / "hosts"
        hosts.write_text(f"127.0.0.1 localhost {socket.gethostname()}.example {socket.gethostname()}\n")
        chroot = Chroot("line", files=((settings, "/root/.fetchmailrc"), (hosts, "/etc/hosts")))

        said = chroot.run("fetchmail", "--nodetach", "-d0", "-v", check=False)

        assert provider.ledger.atrn_asked == [DOMAIN], said
        eventually(lambda: len(maildir_files(station.maildir("anna"))) >= len(SENT))
        assert arrived(station.maildir("anna")) == sorted(SENT)
        assert provider.waiting == 0
