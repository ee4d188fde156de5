"""The main job, told as a story: real database, real HTTP, real files, and a worker killed in the middle."""
