"""The bench: each part of the system measured beside the least program that does the same job, in the same run, in turns."""
