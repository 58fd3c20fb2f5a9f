"""What a configuration connects the station to: the doors it opens, the hosts its calls talk to."""

from __future__ import annotations

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


def hosts_to_knock_at(config: Config) -> list[tuple[str, int]]:
    """The hosts that answer once a dialling router has its line: those the call talks to, otherwise the name
    servers."""
    hosts = []
    if config.outbound.via is Via.SMARTHOST:
        hosts.append((config.outbound.smarthost, config.outbound.port))
    if config.etrn_wanted:
        hosts.append((config.etrn_host, config.etrn.port))
    hosts += [(route.host, route.port) for route in config.outbound.route]
    known = [(name, port) for name, port in dict.fromkeys(hosts) if name]
    return known or [(server, config.dns.port) for server in config.dns.servers]


def place_words(host: str, port: int) -> str:
    """As people write it."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
