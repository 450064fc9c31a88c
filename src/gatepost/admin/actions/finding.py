"""What somebody who looked finds.

Job: the form of a finding. Promise: what is not well names its cure. Limits: words only.
"""

from typing import Literal

from msgspec import Struct

Verdict = Literal["well", "look", "bad"]


class Finding(Struct, frozen=True, kw_only=True):
    """One thing that was looked at."""

    what: str
    verdict: Verdict
    said: str
    cure: str = ""
