"""Write a range of local days to a sink, chunk by chunk, and verify it."""
