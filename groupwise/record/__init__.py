"""What a run leaves behind to be told by: configuration, versions, metrics."""
