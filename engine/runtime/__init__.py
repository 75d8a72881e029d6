"""Processes, devices, memory, seeds."""
