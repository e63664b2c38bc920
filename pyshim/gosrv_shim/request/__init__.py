"""What a request meets in Python around the application: file_wrapper, gunicorn.socket, the hooks and what they see of it."""
