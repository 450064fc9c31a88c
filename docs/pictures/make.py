"""Draws docs/pictures/replay.svg: the table of `gatepost replay` over the sample log.

Job: run the real replay, record what it prints, write it as SVG. Promise: the same log and the same code give the same bytes; the picture loads
nothing from elsewhere. Limits: the line with the time that it took is left out, for it differs with every run.

Run it after a change of the table: `.venv/bin/python docs/pictures/make.py`
"""

import io
import os
import re
from pathlib import Path
from typing import Any
from unittest.mock import patch

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.terminal_theme import DIMMED_MONOKAI

from gatepost.app.past import PastLogs
from gatepost.cli import replay_table
from gatepost.config import Logs, Settings
from gatepost.core.access import own_entries
from gatepost.core.rules import PRESETS

ROOT = Path(__file__).parents[2]
PICTURE = Path(__file__).with_name("replay.svg")
SAMPLE = "examples/sample-mail.log"
WIDTH = 132


class Recorder(Console):
    """Records what is printed, but for the line about speed."""

    def print(self, *objects: Any, **options: Any) -> None:
        """Records a line."""
        if not any("lines a second" in str(each) for each in objects):
            super().print(*objects, **options)


def draw() -> str:
    """The picture, as SVG."""
    before = Path.cwd()
    os.chdir(ROOT)
    try:
        recorder = Recorder(record=True, width=WIDTH, highlight=False, file=io.StringIO(), color_system="truecolor", force_terminal=True)
        logs = PastLogs([SAMPLE], Settings(logs=Logs(timezone="UTC")), 2026)
        made = logs.replay(PRESETS["standard"], own_entries())
        for number, lines in logs.batches():
            made.feed(number, lines)
        with patch.object(replay_table, "console", lambda: recorder):
            replay_table.show(logs, made, 0.0)
    finally:
        os.chdir(before)
    drawn = recorder.export_svg(title=f"gatepost replay {SAMPLE}", theme=DIMMED_MONOKAI, code_format=alone(CONSOLE_SVG_FORMAT), unique_id="replay")
    return "\n".join(line.rstrip() for line in drawn.split("\n")) + "\n"


def alone(template: str) -> str:
    """Rich's frame for a picture, without the fonts that it would fetch and the address of its maker."""
    without = re.sub(r"@font-face \{\{.*?\}\}\n", "", template, flags=re.DOTALL)
    without = re.sub(r"<!--.*?-->", "", without, flags=re.DOTALL)
    return without.replace("Fira Code, monospace", "ui-monospace, DejaVu Sans Mono, Menlo, Consolas, monospace")


if __name__ == "__main__":
    PICTURE.write_text(draw(), encoding="utf-8")
