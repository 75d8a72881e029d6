"""The two kinds of pictures there are: drawn portraits, whose truth is known, and photographs."""

from typing import Literal

Domain = Literal["portraits", "photos"]
