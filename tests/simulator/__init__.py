"""Plays whole runs against the state machine: commands in, events out, in any order, no process.

`World` says what will happen; `Simulator` checks the rules that hold in every world.
"""

from tests.simulator.plans import make_plan
from tests.simulator.simulator import Simulator
from tests.simulator.world import Changes, Disturbance, World

__all__ = ["Changes", "Disturbance", "Simulator", "World", "make_plan"]
