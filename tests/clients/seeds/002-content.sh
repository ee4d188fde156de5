# seed 002, "Download the MP4"; corrected: the address and the id
curl -L "$OPENAI_BASE_URL/videos/$VIDEO_ID/content" \
  -H "Authorization: Bearer $OPENAI_API_KEY" \
  --output video.mp4
