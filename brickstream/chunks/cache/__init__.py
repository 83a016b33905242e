"""Answers of servers, kept on disk from one session to the next."""
