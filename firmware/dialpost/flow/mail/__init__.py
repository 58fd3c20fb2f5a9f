"""Mail over time: taken in, delivered, sent on, looked after."""
