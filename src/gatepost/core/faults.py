"""Bad input, told so that it can be mended.

Job: one exception for whatever a file, an option or a form says wrongly. Promise: its text is one line that names the place, the field and the
cure. Limits: only for the faults of whoever wrote the input; our own faults are raised as they are.
"""


class BadInputError(ValueError):
    """An input is wrong; the text says where, what, and what would be right."""

    def __init__(self, said: str, where: str = "", line: int = 0) -> None:
        self.said = said
        self.where = where
        self.line = line
        place = f"{where}:{line}" if line else where
        super().__init__(f"{place}: {said}" if place else said)
