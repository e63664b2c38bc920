"""The user's code comes in: config file, program or application, its first requests, and its edits."""
