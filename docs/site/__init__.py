"""What the documents draw from the product itself."""
