"""What only the notebooks need: their checks, experiments and figures, their parameters and records."""
