# seed 002, "Remix completed videos"; corrected: the address and the id
curl -X POST "$OPENAI_BASE_URL/videos/$VIDEO_ID/remix" \
  -H "Authorization: Bearer $OPENAI_API_KEY" \
  -H "Content-Type: application/json" \
  -d '{
    "prompt": "Shift the color palette to teal, sand, and rust, with a warm backlight."
  }'
