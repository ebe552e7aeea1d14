"""What is shown and where to fetch it. Never imports the data plane."""
