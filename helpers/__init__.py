"""SPR-Net, the 2nd place of the IJCAI-PRICAI 2020 3D AI Challenge, as a small readable package.

The core in reading order, each part importing only those before it: config, structures, files,
data, drawing, models, training, inference, evaluation, runs. Around it, importing it: scenes,
correction, review, ladder, series, tools. `python -m helpers` lists the commands.
"""

__version__ = "0.1.0"
