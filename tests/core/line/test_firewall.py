"""The line's table, whole: whom it lets in, and that nothing else does."""

from __future__ import annotations

from dialpost.core.ip_text import ip_network
from dialpost.core.line.firewall import ruleset

HOSTS = [ip_network(text) for text in ("192.0.2.0/32", "192.0.2.1/32", "198.51.100.7", "2001:db8::1")]


def chains(text: str) -> dict[str, list[str]]:
    """The rules of each chain, behind its hook."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        words = line.split()
        if words[:1] == ["chain"]:
            found[words[1]] = []
        elif found and line.startswith("    ") and words[0] != "type":
            found[list(found)[-1]].append(line.strip())
    return found


def test_a_filtered_line_lets_in_mail_and_answers() -> None:
    rules = ruleset("ppp0", HOSTS, filtered=True, timestamps_off=False, share_with_lan=False)
    known = "ip saddr { 192.0.2.0/31, 198.51.100.7 }"
    assert chains(rules) == {
        "output": ['oifname "ppp0" tcp dport { 25, 465, 587 } ct state new add @asked { ip daddr }'],
        "input": [
            'iifname "ppp0" ct state established,related accept',
            f'iifname "ppp0" {known} tcp dport 25 accept',
            f'iifname "ppp0" {known} icmp type echo-request limit rate 2/second accept',
            'iifname "ppp0" ip6 saddr { 2001:db8::1 } tcp dport 25 accept',
            'iifname "ppp0" ip saddr @asked tcp dport 25 accept',
            'iifname "ppp0" drop',
        ],
        "forward": ['iifname "ppp0" drop', 'oifname "ppp0" drop'],
    }


def test_a_shared_line_lets_the_lan_out() -> None:
    rules = ruleset("ppp1", (), filtered=True, timestamps_off=True, share_with_lan=True)
    found = chains(rules)
    assert found["forward"] == ['iifname "ppp1" ct state established,related accept', 'iifname "ppp1" drop']
    assert found["nat"] == ['oifname "ppp1" masquerade']
    assert found["syn_postrouting"] == ['oifname "ppp1" tcp flags syn reset tcp option timestamp']
    assert found["syn_prerouting"] == ['iifname "ppp1" tcp flags syn reset tcp option timestamp']
    assert len(found["input"]) == 3


def test_what_is_off_has_no_chain() -> None:
    for filtered, timestamps_off, share in ((False, False, False), (False, True, False), (False, False, True)):
        rules = ruleset("ppp0", HOSTS, filtered=filtered, timestamps_off=timestamps_off, share_with_lan=share)
        names = ["nat"] * share + ["syn_postrouting", "syn_prerouting"] * timestamps_off
        assert list(chains(rules)) == names and "set asked" not in rules
