"""The machine: processes, devices, seeds."""
