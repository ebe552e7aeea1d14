"""Where the bytes come from and how fast. Never imports the control plane."""
