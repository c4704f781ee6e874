"""SPR-Net, the 2nd place of the IJCAI-PRICAI 2020 3D AI Challenge, as a small readable package.

The core in reading order, each part importing only those before it: config, structures, files,
data, drawing, models, training, inference, evaluation, runs. Around it, importing it: scenes,
correction, review, ladder, series, tools. `python -m helpers` lists the commands.
"""

import os

# Two threads that wait for each other by spinning burn what a third process needs, and then wait
# for it: a training step took up to 50 times as long beside one. GNU OpenMP reads this when torch
# is loaded; on two cores a quiet step takes 0.19 s (before: 0.18), a busy one 0.46 (0.6 to 10).
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")

__version__ = "0.1.0"
