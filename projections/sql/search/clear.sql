truncate search.texts
