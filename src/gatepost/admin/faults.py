"""What an administrator asked that cannot be done, by kind.

Job: tell apart what the API answers with a status of its own. Promise: each is bad input, told like all bad input. Limits: the status codes are
api/server.py's.
"""

from gatepost.core.faults import BadInputError


class UnauthorizedError(BadInputError):
    """Nobody knows who asks."""


class ForbiddenError(BadInputError):
    """Who asks is known, and may not."""


class UnknownError(BadInputError):
    """What was named is not there."""


class StaleError(BadInputError):
    """What was to be changed has changed meanwhile."""


class ConflictError(BadInputError):
    """What was to be undone does not stand as it was left."""


class TooLargeError(BadInputError):
    """The request is larger than anything that makes sense."""
