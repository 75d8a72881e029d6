"""Evaluation of aged portraits: figures with confidence intervals, and a report page."""
