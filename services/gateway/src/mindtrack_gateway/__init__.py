"""The HTTP API: accepts recordings, answers for jobs and trends. Light by contract: it knows no model."""
