"""Runs: one short file each, with one ``CONFIG``."""
