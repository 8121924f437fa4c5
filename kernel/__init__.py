"""What every service stands on; it knows no award word beyond the five roles."""
