"""A stand-in renderer that speaks the Videos API, makes real files and fails on demand.

For development and tests only: it draws shapes instead of rendering a prompt, keeps its jobs in memory and
is never a production renderer.
"""

from bickford_sora.simulator.faults import Fault, FaultKind, Operation
from bickford_sora.simulator.server import SimulatorServer, run
from bickford_sora.simulator.settings import SimulatorSettings
from bickford_sora.simulator.simulator import Simulator

__all__ = ["Fault", "FaultKind", "Operation", "Simulator", "SimulatorServer", "SimulatorSettings", "run"]
