"""Conversations in the API, read-only."""
