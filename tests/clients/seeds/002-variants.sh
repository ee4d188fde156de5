# seed 002, "Download supporting assets"; corrected: the address and the id
# Download a thumbnail
curl -L "$OPENAI_BASE_URL/videos/$VIDEO_ID/content?variant=thumbnail" \
  -H "Authorization: Bearer $OPENAI_API_KEY" \
  --output thumbnail.webp

# Download a spritesheet
curl -L "$OPENAI_BASE_URL/videos/$VIDEO_ID/content?variant=spritesheet" \
  -H "Authorization: Bearer $OPENAI_API_KEY" \
  --output spritesheet.jpg
