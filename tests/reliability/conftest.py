"""Make the scripts in reliability/ importable: these tests are their reduced forms."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2] / "reliability"))
