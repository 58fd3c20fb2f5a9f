"""The log of a mail server in a guest (tests/system/rig/line/guest/syslog.py)."""

from rig.line.guest.syslog import line_of


def test_a_record_is_kept_with_the_time_it_came_at() -> None:
    cases = {
        b"<22>Nov 30 11:06:04 sendmail[750]: to=<a@b>\n\0": "sendmail[750]: to=<a@b>",
        b"<22>Nov  3 11:06:04 a": "a",
        b"no record": "no record",
    }
    found = {record: line_of(record, 90_061.0079) for record in cases}
    assert found == {record: f"1970-01-02 01:01:01.007 {said}\n" for record, said in cases.items()}
