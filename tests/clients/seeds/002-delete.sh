# seed 002, "Maintain your library"; corrected: the address and the id; `| jq .` is left out
curl -X DELETE "$OPENAI_BASE_URL/videos/$DELETE_ID_3" \
  -H "Authorization: Bearer $OPENAI_API_KEY"
