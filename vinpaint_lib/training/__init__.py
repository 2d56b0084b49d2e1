"""The training loop and what it asks of a system; nothing here knows a particular system."""
