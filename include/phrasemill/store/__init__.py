"""The bucket: keys, staging, commits and quarantine. All state of a corpus is here."""
