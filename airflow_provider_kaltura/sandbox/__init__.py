"""A Kaltura-compatible server for development and tests; imports neither the client nor ``api/``."""
