"""From committed shards to a release: the finished, deduplicated, repacked data set with its card."""
