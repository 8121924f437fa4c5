"""Intake (申报、推荐、资格审查): applications from the first draft to the list of the eligible."""
