"""Streamlit pages: what people look at. Knows every package below it; nothing below knows it."""
