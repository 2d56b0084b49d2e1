"""Terms that several systems share."""
