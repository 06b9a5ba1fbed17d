"""Operators: download URLs, and downloads into storage."""
