"""Findings → texts for people and programs, one writer a file."""
