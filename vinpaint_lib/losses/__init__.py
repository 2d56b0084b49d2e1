"""Loss terms and critics that several systems share."""
