"""Bytes by key over HTTP: how servers are asked, what is known of each, and what happens when one fails."""
