"""Callbacks of providers: verified over raw bytes, stored raw, put into our words, handed over. No decisions here."""
