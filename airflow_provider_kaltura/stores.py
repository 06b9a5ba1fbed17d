"""Destination URL and connection to sink and store: the only module that knows ObjectStoragePath and other hooks."""
