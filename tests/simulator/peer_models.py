"""The models of the servers that are stood in for, as tables of names and types: what an answer must fit.

Read from these versions on 2026-11-21; nothing of them is needed to run the tests:

- vllm-omni 0.30.0: `entrypoints/openai/protocol/videos.py` (`VideoResponse`), the form of
  `video/generation/helpers.py` (`_parse_video_form`);
- sglang 0.5.23: `multimodal_gen/runtime/entrypoints/openai/protocol.py` (`VideoResponse`), the form of `video_api.py`;
- fastvideo 0.2.1: `entrypoints/openai/protocol.py` (`VideoResponse`, `VideoGenerationsRequest`), `video_api.py`;
- litellm 1.109.1: `types/videos/main.py` (`VideoObject`);
- TensorRT-LLM 0509ccc: `serve/openai_video_routes.py`, and the `VideoJob` of `serve/openai_protocol.py` that it fills;
- @openrouter/sdk 1.3.19: `VideoGenerationResponse`, of which only three are always there.
"""

Types = dict[str, type | tuple[type, ...]]
NOTHING = type(None)
WHOLE, NUMBER, TEXT, OBJECT = (int, NOTHING), (int, float, NOTHING), (str, NOTHING), (dict, NOTHING)

ANSWERS: dict[str, Types] = {
    "vllm_omni": {
        "model": str,
        "prompt": str,
        "id": str,
        "object": str,
        "status": str,
        "size": TEXT,
        "progress": int,
        "seconds": str,
        "quality": str,
        "completed_at": WHOLE,
        "created_at": int,
        "remixed_from_video_id": TEXT,
        "error": OBJECT,
        "media_type": str,
        "expires_at": WHOLE,
        "file_name": TEXT,
        "inference_time_s": NUMBER,
        "fps": NUMBER,
        "num_frames": WHOLE,
        "duration_s": NUMBER,
        "metrics": OBJECT,
        "stage_durations": dict,
        "peak_memory_mb": float,
        "action": OBJECT,
    },
    "sglang": {
        "id": str,
        "object": str,
        "model": str,
        "status": str,
        "progress": int,
        "created_at": int,
        "size": str,
        "seconds": str,
        "quality": str,
        "url": TEXT,
        "urls": (list, NOTHING),
        "remixed_from_video_id": TEXT,
        "completed_at": WHOLE,
        "expires_at": WHOLE,
        "error": OBJECT,
        "file_path": TEXT,
        "file_paths": (list, NOTHING),
        "num_outputs": WHOLE,
        "peak_memory_mb": NUMBER,
        "inference_time_s": NUMBER,
        "revised_prompt": TEXT,
        "action": OBJECT,
        "lidar": OBJECT,
    },
    "fastvideo": {
        "id": str,
        "object": str,
        "model": str,
        "status": str,
        "progress": int,
        "created_at": int,
        "size": str,
        "seconds": str,
        "quality": str,
        "url": TEXT,
        "file_path": TEXT,
        "completed_at": WHOLE,
        "error": OBJECT,
        "peak_memory_mb": NUMBER,
        "inference_time_s": NUMBER,
    },
    "litellm": {
        "id": str,
        "object": str,
        "status": str,
        "created_at": WHOLE,
        "completed_at": WHOLE,
        "expires_at": WHOLE,
        "error": OBJECT,
        "progress": WHOLE,
        "remixed_from_video_id": TEXT,
        "seconds": TEXT,
        "size": TEXT,
        "model": TEXT,
        "usage": OBJECT,
    },
    "trtllm": {
        "completed_at": WHOLE,
        "created_at": int,
        "error": TEXT,
        "expires_at": WHOLE,
        "id": str,
        "model": str,
        "object": str,
        "progress": WHOLE,
        "prompt": str,
        "status": str,
        "duration": NUMBER,
        "fps": NUMBER,
        "size": TEXT,
        "output_path": TEXT,
        "output_paths": (list, NOTHING),
    },
    "openrouter": {
        "id": str,
        "polling_url": str,
        "status": str,
        "error": str,
        "generation_id": str,
        "unsigned_urls": list,
        "usage": dict,
    },
}
REQUIRED = {"openrouter": {"id", "polling_url", "status"}}
"""Where not every name is in every answer."""

TAKEN: dict[str, str] = {
    "vllm_omni": (
        "prompt model seconds size input_reference input_references image_reference video_reference seed fps "
        "num_frames num_inference_steps negative_prompt guidance_scale num_outputs_per_prompt generate_sound lora "
        "quality extra_params"
    ),
    "sglang": (
        "prompt model seconds size input_reference video_reference reference_url video_url seed fps num_frames "
        "num_inference_steps negative_prompt guidance_scale n num_outputs_per_prompt enhance_prompt"
    ),
    "fastvideo": (
        "prompt model seconds size input_reference reference_url seed fps num_frames num_inference_steps "
        "negative_prompt guidance_scale enable_teacache"
    ),
    "trtllm": (
        "prompt model seconds size input_reference fps seed n num_inference_steps negative_prompt guidance_scale "
        "output_format"
    ),
    "openrouter": (
        "prompt model duration size callback_url seed generate_audio aspect_ratio resolution user session_id"
    ),
}
"""The names of their request models that the simulator reads. All others it ignores, as they do unknown ones."""
