"""The projections' SQL, one folder a question and one named query a file."""
