"""What happens over time: intake, delivery, the call, retention. Flows name what they need as Protocols."""
