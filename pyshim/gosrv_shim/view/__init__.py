"""What hooks and logger classes see: Gunicorn's objects by their names (Gunicorn 27). Nothing of it is loaded
where there is neither. A request and its response are in request/message.py."""
