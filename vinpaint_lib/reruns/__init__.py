"""Notebooks run again: one with other parameters, a grid of them on one machine or many, and the stored form."""
