select position from search.progress for update
