"""Metrics: plain functions, one family a file."""
