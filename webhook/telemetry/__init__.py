"""Metrics, the audit log, and log lines."""
