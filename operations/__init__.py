"""Backups of a deployment: base backups, the archived write-ahead log, the attachments; and the way back to any moment between."""
