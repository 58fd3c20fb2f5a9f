"""What the simulated provider has agreed with its customer: the letter that comes with a new station.

The simulated first start prints it; whoever sets up the station types it into the wizard. A deviation fails as it
would in reality: another number reaches no modem, another password is refused, another domain gets no mail.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Subscription:
    """One customer's papers."""

    domain: str = "clinic.example"
    number: str = "0961 555 017"
    user: str = "clinic"
    password: str = "blue-harbour-17"
    mail_host: str = "mail.provider.example"

    def digits(self) -> str:
        """The number as it is dialled."""
        return "".join(sign for sign in self.number if sign.isdigit())

    def lines(self) -> list[str]:
        """The letter."""
        return [
            "Your provider's letter:",
            f"    your domain       {self.domain}",
            f"    telephone number  {self.number}",
            f"    user              {self.user}",
            f"    password          {self.password}",
            f"    mail host         {self.mail_host} (no login is needed on our lines)",
            f"    ETRN host         {self.mail_host}",
        ]
