"""An exponential moving average of the weights: smoother than the last step, often better."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn


class WeightAverage:
    """Averages of all parameters and norm statistics of a model (specification section 7).

    Update t makes each average a into d a + (1 - d) w with d = min(decay, (1 + t) / (10 + t)), so
    that the first, bad weights are soon forgotten. Counters are copied.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self._decay = decay
        self._live = model.state_dict()  # the model's own memory, not a copy
        self.state = {name: value.clone() for name, value in self._live.items()}

    def update(self, step: int) -> None:
        """Take in the weights as they are after `step` steps, 1 = the first."""
        decay = min(self._decay, (1 + step) / (10 + step))
        moving = [name for name, value in self.state.items() if value.is_floating_point()]
        averages, live = ([which[name] for name in moving] for which in (self.state, self._live))
        get_ema_multi_avg_fn(decay)(averages, live, None)
        for name in self.state.keys() - set(moving):
            self.state[name].copy_(self._live[name])

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take over what `state` was at a checkpoint."""
        for name, value in state.items():
            self.state[name].copy_(value)
