"""The command line that trains a config: what differs from a preset, as options."""

from typing import Any

from helpers.config import ExperimentConfig, Preset, change, is_other_data, preset
from helpers.config_fields import differences, dotted


def command_of(config: ExperimentConfig, start: Preset) -> list[str]:
    words = ["python", "-m", "helpers", "train", "--preset", start]
    base = preset(start)
    if is_other_data(vars(config.data), base.data):
        base = change(base, data__label_space="fine")  # as the command does
    for name, value in dotted(differences(config, base)).items():
        words += [f"--{name}", *_words(value)]
    return words


def _words(value: Any) -> list[str]:
    if isinstance(value, tuple):
        return [word for item in value for word in _words(item)]
    return [str(value)]
