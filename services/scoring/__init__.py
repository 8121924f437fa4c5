"""Scoring (评审组): reviewers, panels, sealed sheets, consensus and reports."""
