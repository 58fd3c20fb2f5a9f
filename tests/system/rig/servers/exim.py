"""Real Exim: as the provider that does ETRN its way, and as the smarthost that wants a login."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from rig.ports import free_port
from rig.servers.certificates import Certificate
from rig.servers.chroots import Chroot, Inmate
from rig.servers.postfix import PROVIDER_ADDRESS

_CONFIG = """\
primary_hostname = {hostname}
domainlist station_domains = {station_domains}
local_interfaces = <; {listen_on}
daemon_smtp_ports = <; {ports}
disable_ipv6
keep_environment =
exim_user = Debian-exim
exim_group = Debian-exim
never_users =
spool_directory = {directory}/spool
log_file_path = {directory}/log/%slog
log_selector = +millisec +deliver_time
pid_file_path =
host_lookup =
rfc1413_query_timeout = 0s
queue_smtp_domains = +station_domains
smtp_accept_max = 100
smtp_accept_max_per_host = 0
smtp_accept_queue_per_connection = 0
remote_max_parallel = 10
message_size_limit = 100M
prdr_enable
smtputf8_advertise_hosts = *
acl_smtp_connect = accept
acl_smtp_etrn = {etrn_acl}
acl_smtp_rcpt = rcpt
acl_smtp_data = data
{etrn_command}
{tls}

begin acl
rcpt:
  accept domains = +station_domains
  {relay_rule}
  deny message = relay not permitted
data:
  deny condition = ${{if > {{$max_received_linelength}}{{998}}}}
    message = maximum allowed line length is 998 octets, got $max_received_linelength
  accept

begin routers
to_station:
  driver = manualroute
  domains = +station_domains
  transport = to_station
  route_list = * {station_address}
  self = send
world:
  driver = accept
  domains = {mailbox_domains}
  transport = mailbox

begin transports
to_station:
  driver = smtp
  port = {station_port}
  {from_line}
  {tls_line}
  hosts_try_fastopen =
mailbox:
  driver = appendfile
  directory = {directory}/mail/$domain_data
  maildir_format
  create_directory
  user = nobody
  group = nogroup

begin retry
* * F,1h,1s

begin authenticators
{authenticators}
"""

# What a client says is tainted: Exim takes the argument of a command only out of a file of ours.
_ETRN_COMMAND = "smtp_etrn_command = /usr/sbin/exim4 -R ${{lookup{{$domain}}lsearch{{{names}}}{{$value}}fail}}"

_TLS = """\
tls_advertise_hosts = *
tls_certificate = {certificate}
tls_privatekey = {key}
tls_on_connect_ports = {implicit_port}
auth_advertise_hosts = ${{if eq{{$tls_in_cipher}}{{}}{{}}{{*}}}}
"""

_AUTHENTICATORS = """\
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${{if and{{{{eq{{$auth2}}{{{user}}}}}{{eq{{$auth3}}{{{password}}}}}}}}}
  server_set_id = $auth2
login:
  driver = plaintext
  public_name = LOGIN
  server_prompts = <| Username: | Password:
  server_condition = ${{if and{{{{eq{{$auth1}}{{{user}}}}}{{eq{{$auth2}}{{{password}}}}}}}}}
  server_set_id = $auth1
cram_md5:
  driver = cram_md5
  public_name = CRAM-MD5
  server_secret = ${{if eq{{$auth1}}{{{user}}}{{{password}}}fail}}
  server_set_id = $auth1
"""


@dataclass(frozen=True)
class Login:
    """A login the smarthost knows, and which mechanisms it offers ("plain", "login", "cram_md5")."""

    user: str
    password: str
    mechanisms: tuple[str, ...] = ("plain", "login", "cram_md5")

    def authenticators(self) -> str:
        secret = self.password.replace("$", "\\$")  # else Exim takes it for a variable
        blocks = re.split(r"(?m)^(?=\w+:$)", _AUTHENTICATORS.format(user=self.user, password=secret))
        return "".join(block for block in blocks if block.split(":")[0] in self.mechanisms)


def config_text(
    *,
    directory: str,
    hostname: str,
    station_domains: tuple[str, ...],
    station_at: tuple[str, int],
    from_address: str = "",
    is_plain: bool = False,
    mailbox_domains: tuple[str, ...] = ("world.example",),
    listen_on: str = "127.0.0.1",
    ports: tuple[int, ...] = (25,),
    relay_hosts: str = "127.0.0.0/8",
    etrn_acl: str = "accept",
    etrn_names: str = "",
    certificate: Certificate | None = None,
    login: Login | None = None,
) -> str:
    """Exim's configuration; all it writes lies under `directory`. `etrn_names`: a file of the names ETRN takes.

    `is_plain`: to the station it speaks without TLS, which it would use else.
    """
    implicit_port = ports[-1]
    return _CONFIG.format(
        hostname=hostname,
        directory=directory,
        station_domains=" : ".join(station_domains),
        mailbox_domains=" : ".join(mailbox_domains),
        station_address=station_at[0],
        station_port=station_at[1],
        from_line=f"interface = {from_address}" if from_address else "",
        tls_line="hosts_avoid_tls = *" if is_plain else "",
        listen_on=listen_on,
        ports=" ; ".join(map(str, ports)),
        etrn_acl=etrn_acl,
        etrn_command=_ETRN_COMMAND.format(names=etrn_names) if etrn_names else "",
        relay_rule="accept authenticated = *" if login else f"accept hosts = {relay_hosts}",
        authenticators=login.authenticators() if login else "",
        tls=_TLS.format(certificate=certificate.certificate, key=certificate.key, implicit_port=implicit_port)
        if certificate
        else "tls_advertise_hosts =",
    )


class Exim:
    """One Exim: holds mail for `station_domains`, keeps that for `mailbox_domains` in `maildir(domain)`.

    With `login` only who logged in (over TLS, which then needs `certificate`) may send to the world.
    `etrn_by_domain`: ETRN takes a domain; else, as Exim does by itself, only `#name`. `is_plain`: no TLS to the
    station.
    """

    def __init__(
        self,
        directory: Path,
        *,
        hostname: str = "mail.provider.example",
        station_domains: tuple[str, ...] = (),
        station_port: int = 1,
        is_plain: bool = False,
        mailbox_domains: tuple[str, ...] = ("world.example",),
        etrn_by_domain: bool = True,
        etrn_acl: str = "accept",
        certificate: Certificate | None = None,
        login: Login | None = None,
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        directory.chmod(0o755)
        self.directory = directory
        self.port = free_port()
        self.implicit_port = free_port()
        for name in ("spool", "log", "mail"):
            (directory / name).mkdir(exist_ok=True)
        (directory / "mail").chmod(0o777)
        names = directory / "etrn-names"
        names.write_text("".join(f"{domain}: {domain}\n" for domain in station_domains))
        config = directory / "exim.conf"
        config.write_text(
            config_text(
                directory=str(directory),
                hostname=hostname,
                station_domains=station_domains,
                station_at=("127.0.0.1", station_port),
                from_address=PROVIDER_ADDRESS,
                is_plain=is_plain,
                mailbox_domains=mailbox_domains,
                ports=(self.port, self.implicit_port) if certificate else (self.port,),
                etrn_acl=etrn_acl,
                etrn_names=str(names) if etrn_by_domain else "",
                certificate=certificate,
                login=login,
            )
        )
        config.chmod(0o644)
        binds = (directory, certificate.key.parent) if certificate else (directory,)
        # Under its own name: Exim gives up root for any other, and its ETRN command must find it too.
        self._chroot = Chroot("exim", binds, ((config, "/etc/exim4/exim4.conf"),))
        self._child: Inmate | None = None

    def start(self) -> Exim:
        self._chroot.run("chown", "Debian-exim:", self.directory / "spool", self.directory / "log")
        self._child = self._chroot.start("exim4", "-bdf", log=self.directory / "output")
        self._child.wait_for_greeting(self.port, greeting=b"220 ")
        return self

    def stop(self) -> None:
        if self._child is not None:
            self._child.kill()
            self._child = None

    def __enter__(self) -> Exim:
        return self if self._child else self.start()

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def maildir(self, domain: str) -> Path:
        return self.directory / "mail" / domain

    def queue_length(self) -> int:
        return int(self._chroot.run("exim4", "-bpc"))

    def log_text(self) -> str:
        return "".join(path.read_text("utf-8", "replace") for path in sorted((self.directory / "log").iterdir()))
