"""A server of one file, on this machine, that behaves as badly as a test asks for."""

import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class FileServer(ThreadingHTTPServer):
    """Every address answers with `content`.

    Attributes:
        tags: the headers that mark the version of the file.
        ranges: whether Range is understood.
        breaks: for each coming request, break off after so many bytes.
        statuses: for each coming request, an error to answer with.
        content_type, encoding, pause: of each answer; seconds before its body.
        asked: (Range, status) of the requests so far.
    """

    def __init__(self, content):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.content, self.tags, self.ranges = content, {"ETag": '"one"'}, True
        self.breaks, self.statuses, self.asked = [], [], []
        self.content_type, self.encoding, self.pause = "application/octet-stream", None, 0

    def address(self, name):
        return f"http://127.0.0.1:{self.server_port}/{name}"


class _Handler(BaseHTTPRequestHandler):
    server: FileServer

    def do_GET(self):
        server, size = self.server, len(self.server.content)
        status, start, headers = 200, 0, dict(server.tags)
        asked = self.headers.get("Range")
        same = self.headers.get("If-Range") in server.tags.values()
        if asked and same and server.ranges:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            status = 206 if start < size else 416
            where = f"{start}-{size - 1}" if start < size else "*"
            headers["Content-Range"] = f"bytes {where}/{size}"
        if server.statuses:
            status = server.statuses.pop(0)
        server.asked.append((asked, status))
        body = server.content[start:] if status < 400 else b""
        headers |= {"Content-Length": str(len(body)), "Content-Type": server.content_type}
        if server.encoding:
            headers["Content-Encoding"] = server.encoding
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        time.sleep(server.pause)
        self.wfile.write(body[: server.breaks.pop(0) if server.breaks else None])

    def log_message(self, *_):
        pass


@contextmanager
def serving(content=b""):
    """A server in a thread of its own."""
    with FileServer(content) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
