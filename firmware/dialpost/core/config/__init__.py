"""The configuration: declared once, parsed, checked, rendered."""
