"""What is measured of a session: quality over time, requests, frames, and the physical limit beside them. Pure."""
