"""Every shell command on the page "How to run" is run, in order, as a reader would."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from lib.book.notebook import ROOT

PAGE = (ROOT / "book/how-to-run.md").read_text(encoding="utf-8")
COMMANDS = "".join(re.findall(r"```bash\n(.*?)```", PAGE, flags=re.DOTALL)).splitlines()


def test_every_shell_command_on_the_page_works():
    assert len(COMMANDS) >= 11
    shutil.rmtree(ROOT / "_build/how-to", ignore_errors=True)  # results of older code would count as rows, too
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    for command in COMMANDS:
        done = subprocess.run(command, shell=True, cwd=ROOT, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        assert "collect" not in command or "4 rows" in done.stdout


def test_python_on_the_page_is_valid():
    for code in re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL):
        compile(code, "how-to-run.md", "exec")
