"""What a configuration connects the station to: the doors it opens, the hosts its calls talk to."""

from __future__ import annotations

from dataclasses import dataclass

from dialpost.core.config.model import Config, Via
from dialpost.core.mail.session import Listener


def wanted_doors(config: Config) -> dict[str, tuple[str, ...]]:
    """Where each door is to be."""
    smtp = config.smtp
    return {
        Listener.MX.value: smtp.listen,
        Listener.SUBMISSION.value: smtp.submission_listen,
        Listener.SUBMISSIONS.value: smtp.submissions_listen,
    }


@dataclass(frozen=True, slots=True)
class Host:
    """A host that answers once a dialling router has its line. A name server is asked by UDP: many answer only
    that.
    """

    name: str
    port: int
    is_name_server: bool = False


def hosts_to_knock_at(config: Config) -> list[Host]:
    """The hosts that a call talks to, otherwise the name servers."""
    hosts = []
    if config.outbound.via is Via.SMARTHOST:
        hosts.append((config.outbound.smarthost, config.outbound.port))
    if config.etrn_wanted:
        hosts.append((config.etrn_host, config.etrn.port))
    if config.atrn.user:
        hosts.append((config.atrn_host, config.atrn.port))
    hosts += [(box.host, box.port_used) for box in config.inbound.mailbox]
    hosts += [(route.host, route.port) for route in config.outbound.route]
    known = [Host(name, port) for name, port in dict.fromkeys(hosts) if name]
    return known or [Host(server, config.dns.port, is_name_server=True) for server in config.dns.servers]


def place_words(host: str, port: int) -> str:
    """As people write it."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
