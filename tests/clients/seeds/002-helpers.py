# seed 002, "Bickford helper module"
# corrected: in Python, by the functions of bickford_sora, which have the same names and arguments
from bickford_sora import (
    create_sora_video_job,
    create_sora_video_job_and_poll,
    delete_sora_video,
    download_sora_content,
    list_sora_videos,
    record_sora_video_event,
)

job = create_sora_video_job(
    model="sora-2",
    prompt="Wide tracking shot of a teal coupe driving through a desert highway.",
    size="1280x720",
    seconds="8",
)

record_sora_video_event(
    "media-renders",
    video_id=job.id,
    status=job.status,
    model=job.model,
    seconds=job.seconds,
    size=job.size,
)

wait_for_end(job.id)  # corrected: the sample downloads before anything is rendered
video_bytes = download_sora_content(job.id)
print("Downloaded bytes:", len(video_bytes))

completed = create_sora_video_job_and_poll(
    model="sora-2",
    prompt="Sunlit forest with floating lanterns, camera drifting upward.",
    seconds="6",
)
print("Completed status:", completed.status)

listing = list_sora_videos(limit=10, order="desc")
print("Latest jobs:", len(listing.data))

delete_sora_video(DELETE_ID_2)  # corrected: "video_to_delete" in the sample
