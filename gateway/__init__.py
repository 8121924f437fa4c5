"""The one door: who may come in, and where each request goes."""
