"""Whether, when and where a person wants to be notified of alerts."""
