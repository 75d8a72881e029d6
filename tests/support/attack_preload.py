"""Imported once by the server from which `attack_processes` forks: all that `tm` may need."""

import importlib
import pkgutil

import torch

torch.set_num_threads(1)
for package in ("engine", "commands"):
    for module in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
        importlib.import_module(module.name)
