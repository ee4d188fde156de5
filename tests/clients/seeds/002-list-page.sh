# seed 002, "Maintain your library"; corrected: the address and the id; `| jq .` is left out
# with params
curl "$OPENAI_BASE_URL/videos?limit=20&after=$VIDEO_ID&order=asc" \
  -H "Authorization: Bearer $OPENAI_API_KEY"
