"""What all tests share."""

from __future__ import annotations

import os

# The tests' tensors are tiny: a second thread costs more than it gives.
os.environ.setdefault("OMP_NUM_THREADS", "1")
