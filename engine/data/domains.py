"""The two domains of pictures: drawn portraits, whose truth is known, and photographs."""

from typing import Literal

Domain = Literal["portraits", "photos"]
DOMAINS: tuple[Domain, ...] = ("portraits", "photos")
