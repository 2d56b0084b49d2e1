"""Figures of single notebooks: a module has the figures of one lesson."""
