"""What `check` looks at, step by step; each step says ok or what to do."""
