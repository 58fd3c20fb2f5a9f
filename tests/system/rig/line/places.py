"""Who is where on the telephone line: names, addresses, the number, and the login."""

from __future__ import annotations

STATION_ADDRESS, PROVIDER_ADDRESS = "10.64.0.2", "10.64.0.1"
PPP_USER, PPP_PASSWORD = "clinic", "over the hills 9"
NUMBER = "0961 555 0100"
HOSTS = {"mail.clinic.example": STATION_ADDRESS, "mail.provider.example": PROVIDER_ADDRESS}
