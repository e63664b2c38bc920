"""What gunicorn.socket says of TLS, and an echo over it for POST: the application goes on by itself."""
import json


def application(environ, start_response):
    sock = environ["gunicorn.socket"]
    if environ["REQUEST_METHOD"] == "POST":
        sock.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello ")
        while True:
            data = sock.recv(1000)
            sock.sendall(data.upper())
            if not data or data.endswith(b"."):
                return []
    secure = hasattr(sock, "cipher")
    said = {"peer": sock.getpeername(), "secure": secure}
    if secure:
        said.update(cipher=sock.cipher(), version=sock.version(), alpn=sock.selected_alpn_protocol(), cert=sock.getpeercert(),
                    der=len(sock.getpeercert(True) or b""))
    body = json.dumps(said).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
