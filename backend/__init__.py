"""The service: accepts jobs, hands them to workers, serves what they stored."""
