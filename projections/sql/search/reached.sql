select version, position from search.progress
