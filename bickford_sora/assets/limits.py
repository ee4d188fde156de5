"""How much an untrusted file may cost us while it is checked."""

import resource
from dataclasses import dataclass

from bickford_sora.assets.errors import MediaFault, MediaInvalid


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaLimits:
    """The limits of one check. The first group holds in the parent, the second for the child, the third for the media.

    Attributes:
        wall_clock_s: the child is killed after this time.
        answer_bytes_max: the longest answer read from the child, a derived picture included.

        cpu_s: processor time of the child, whole seconds (RLIMIT_CPU).
        memory_bytes_max: address space of the child (RLIMIT_AS); the libraries themselves map about 170 MB.
        open_files_max: descriptors of the child (RLIMIT_NOFILE).

        source_bytes_max: the largest file that is looked at.
        pixels_max: width times height of a picture or a frame.
        frames_max: frames of a video.
        boxes_max: top-level boxes, segments or chunks of a file; a fragmented MP4 has two per fragment.
    """

    wall_clock_s: float = 120.0
    answer_bytes_max: int = 8 << 20

    cpu_s: int = 100
    memory_bytes_max: int = 2 << 30
    open_files_max: int = 16

    source_bytes_max: int = 2 << 30
    pixels_max: int = 40_000_000
    frames_max: int = 20_000
    boxes_max: int = 50_000


def confine_this_process(limits: MediaLimits) -> None:
    """Give up, for good, what a decoder does not need: memory, processor time, new files, core dumps.

    Called by the child between its imports and the first untrusted byte. Beyond `cpu_s` the kernel sends SIGXCPU,
    one second later SIGKILL.
    """
    resource.setrlimit(resource.RLIMIT_AS, (limits.memory_bytes_max, limits.memory_bytes_max))
    resource.setrlimit(resource.RLIMIT_CPU, (limits.cpu_s, limits.cpu_s + 1))
    resource.setrlimit(resource.RLIMIT_NOFILE, (limits.open_files_max, limits.open_files_max))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def require_pixels(width: int, height: int, limits: MediaLimits) -> None:
    """Refuse a picture or frame before its pixels are allocated.

    Raises:
        MediaInvalid: it has no pixels or more than `pixels_max`.
    """
    if width < 1 or height < 1:
        raise MediaInvalid(MediaFault.UNDECODABLE, "the picture has no pixels")
    if width * height > limits.pixels_max:
        raise MediaInvalid(
            MediaFault.TOO_MANY_PIXELS, f"{width}x{height} is over the limit of {limits.pixels_max} pixels"
        )
