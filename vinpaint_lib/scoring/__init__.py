"""How far an output is from the truth; nothing here knows a system."""
