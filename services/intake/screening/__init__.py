"""Screening: every criterion of chapter 3 gets its outcome, the application its determination, the cycle its eligible list (5.3.1)."""

from services.intake.screening.endpoints import routes

__all__ = ["routes"]
