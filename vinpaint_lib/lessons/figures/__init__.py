"""Figures of one notebook each."""
