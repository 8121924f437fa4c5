"""The tutorial, pasted block by block into one bash session against a fresh product."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from docs.site import hooks
from embedded.demo import served

TUTORIAL = (Path(hooks.__file__).parent.parent / "tutorial.md").read_text(encoding="utf-8")


@pytest.mark.full
def test_the_tutorial_takes_an_organisation_through_the_whole_year(tmp_path: Path) -> None:
    blocks = "set -euo pipefail\n" + "\n".join(re.findall(r"```bash\n(.*?)```", TUTORIAL, re.DOTALL))
    with served(tmp_path, "jindong-2022") as (url, activation):
        known = os.environ | {"AWARD": url, "SECRET": activation}
        done = subprocess.run(["/bin/bash", "-c", blocks], env=known, capture_output=True, text=True, check=False)  # noqa: S603 - our own page
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert '"code": "notice_running"' in done.stdout
    assert '"prize":500000,"status":"published"' in done.stdout
