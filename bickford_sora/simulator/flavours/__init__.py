"""The servers a simulator can stand in for, one module each: what its server does differently from OpenAI's."""

from collections.abc import Mapping
from types import MappingProxyType

from bickford_sora.simulator.flavours.azure import Azure
from bickford_sora.simulator.flavours.fastvideo import FastVideo
from bickford_sora.simulator.flavours.litellm import LiteLLM
from bickford_sora.simulator.flavours.openai import OpenAI
from bickford_sora.simulator.flavours.openrouter import OpenRouter
from bickford_sora.simulator.flavours.sglang import SGLang
from bickford_sora.simulator.flavours.trtllm import TensorRTLLM
from bickford_sora.simulator.flavours.vllm_omni import VLLMOmni
from bickford_sora.simulator.settings import FlavourName, SimulatorSettings

__all__ = ["FLAVOURS", "OpenAI", "flavour_of"]

FLAVOURS: Mapping[FlavourName, type[OpenAI]] = MappingProxyType(
    {
        "openai": OpenAI,
        "vllm_omni": VLLMOmni,
        "sglang": SGLang,
        "litellm": LiteLLM,
        "azure": Azure,
        "fastvideo": FastVideo,
        "trtllm": TensorRTLLM,
        "openrouter": OpenRouter,
    }
)
"""Every flavour by its name, which is also that of its dialect in `renderers`."""


def flavour_of(settings: SimulatorSettings) -> OpenAI:
    """The flavour that the settings name."""
    return FLAVOURS[settings.flavour](settings)
