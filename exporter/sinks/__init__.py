"""Where a backfill writes: each sink takes chunks of full days and verifies that they are stored."""
