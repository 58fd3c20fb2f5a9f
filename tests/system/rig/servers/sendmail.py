"""Real sendmail as the provider: its configuration, in the m4 of cf/README, and what it delivers with.

The station's mailer is "expensive" (F=e), so its mail waits in the queue; ETRN runs that.
"""

from __future__ import annotations

_CONFIG = """\
divert(-1)dnl
define(`_USE_ETC_MAIL_')dnl
include(`/usr/share/sendmail/cf/m4/cf.m4')dnl
divert(0)dnl
OSTYPE(`debian')dnl
DOMAIN(`debian-mta')dnl
undefine(`confHOST_STATUS_DIRECTORY')dnl
define(`confDOMAIN_NAME', `{hostname}')dnl
define(`confCON_EXPENSIVE', `True')dnl
define(`confTO_IDENT', `0')dnl
define(`confDONT_PROBE_INTERFACES', `True')dnl
define(`confREFUSE_LA', `1000')dnl
define(`confQUEUE_LA', `1000')dnl
define(`confDELAY_LA', `0')dnl
define(`confSERVICE_SWITCH_FILE', `/etc/mail/service.switch')dnl
define(`confLOG_LEVEL', `9')dnl
{tls}dnl
FEATURE(`nocanonify')dnl
FEATURE(`no_default_msa')dnl
FEATURE(`accept_unresolvable_domains')dnl
FEATURE(`mailertable')dnl
DAEMON_OPTIONS(`Family=inet, Name=MTA, Port=25, Addr=0.0.0.0')dnl
MAILER(`local')dnl
MAILER(`smtp')dnl
MAILER_DEFINITIONS
Mstation, P=[IPC], F=mDFMuXae8, S=EnvFromSMTP/HdrFromSMTP, R=EnvToSMTP,
\tE=\\r\\n, L=990, T=DNS/RFC822/SMTP, A=TCP $h
Mmaildir, P=/usr/local/bin/to-maildir, F=lsDFMmnSu8, S=EnvFromL, R=EnvToL,
\tT=DNS/RFC822/X-Unix, U=nobody:nogroup, A=to-maildir /var/mail/$h.example $u
"""

TO_MAILDIR = """\
#!/bin/sh
mkdir -p "$1/new" "$1/tmp"
cat >"$1/tmp/$$" && mv "$1/tmp/$$" "$1/new/$(date +%s%N).$$"
"""

PREPARE = (
    "python3 /opt/guest/syslog.py; "
    # Without its own full name it waits for a minute.
    "sed -i 's/^127.0.1.1 .*/127.0.1.1 provider.localdomain provider/' /etc/hosts;"
    " m4 /etc/mail/provider.mc >/etc/mail/sendmail.cf; chmod 777 /var/mail;"
    " makemap hash /etc/mail/mailertable </etc/mail/mailertable;"
    " mkdir -p /var/run/sendmail/mta; chown root:smmsp /var/spool/mqueue; : >/etc/mail/aliases"
)


def config_text(*, hostname: str, tls: tuple[str, str] | None) -> str:
    """The macro file; `tls`: the paths of a certificate and its key, None: neither offered nor taken."""
    lines = "define(`confTLS_SRV_OPTIONS', `V')dnl\n"
    if tls:
        certificate, key = tls
        lines += "".join(
            f"define(`conf{side}_{name}', `{path}')dnl\n"
            for side in ("SERVER", "CLIENT")
            for name, path in (("CERT", certificate), ("KEY", key))
        )
    return _CONFIG.format(hostname=hostname, tls=lines)
