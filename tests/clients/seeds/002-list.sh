# seed 002, "Maintain your library"; corrected: the address; `| jq .` is left out
# default
curl "$OPENAI_BASE_URL/videos" \
  -H "Authorization: Bearer $OPENAI_API_KEY"
