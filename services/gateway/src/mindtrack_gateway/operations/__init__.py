"""What the operator's page shows: queues, workers and backlogs, from the metrics that Prometheus scrapes."""
