"""Redis as a doorbell: messages that wake workers, and wake-ups for those who wait. Never the truth."""
