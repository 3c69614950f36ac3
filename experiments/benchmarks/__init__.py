"""Benchmarks: ``make bench`` runs them all; each is a module of its own."""
