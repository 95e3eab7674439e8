"""The backfill: from a range of local days, chunk by chunk, to a sink that has proved to hold them."""
