"""SPR-Net, the 2nd place of the IJCAI-PRICAI 2020 3D AI Challenge, as a small readable package.

The folders follow the data: scenes -> data -> masks -> analysis -> models -> training ->
inference -> evaluation -> viz. `python -m helpers` lists the commands.
"""

__version__ = "0.1.0"
