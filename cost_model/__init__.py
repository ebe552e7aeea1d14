"""Rates, charges, break-even, reports. Reads usage as frames."""
