"""Specs of a folder, found, read and checked as one fleet."""
