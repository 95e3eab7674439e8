"""Where a backfill writes: each sink takes chunks of whole days and proves that it has them."""
