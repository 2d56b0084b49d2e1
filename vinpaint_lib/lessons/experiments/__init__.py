"""One small computation of one notebook each."""
