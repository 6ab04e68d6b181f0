"""Download over http and go on where a broken connection left off.

What has come is kept in `FILE.part`, and in `FILE.part.tag` the server's mark of that version of
the file (its ETag, else its date); both lie beside FILE, so that a later process can go on, too.

    asked for                            answered
    the whole                            200  the whole
    Range: bytes=n-, If-Range: tag       206  the rest, as the file is still the same one
                                         200  the whole: it is another one, or there are no ranges
                                         416  no rest: the part was complete
"""

import re
from dataclasses import dataclass
from pathlib import Path
from time import sleep
from typing import Any

BLOCK = 2**18  # bytes


@dataclass
class Resuming:
    """A downloader for `pooch.retrieve`.

    pooch wants the file under a temporary name of its own, which it checks, and then renames or
    deletes. The complete part gets that name: so a wrong file leaves no part to go on from.

    Attributes:
        part: where to keep what has come so far.
        attempts: give up after so many in succession that brought nothing new.
        wait: seconds before the second attempt; doubled before each further one.
        timeout: seconds to wait for a connection, and for each next block.

    Raises:
        requests.RequestException: (an OSError) the server refuses, or breaks off every time.
    """

    part: Path
    attempts: int = 4
    wait: float = 1.0
    timeout: float = 30.0

    @property
    def tag(self) -> Path:
        return self.part.with_name(f"{self.part.name}.tag")

    def __call__(self, url: str, output_file: str, pooch: Any = None) -> None:
        from requests import ConnectionError, Timeout

        furthest, failures = self._size(), 0
        while True:
            try:
                self._go_on(url)
                break
            except (ConnectionError, Timeout):
                # A server without ranges may break off at the same byte for ever: what came again
                # is not new.
                failures = 0 if self._size() > furthest else failures + 1
                furthest = max(furthest, self._size())
                if failures == self.attempts:
                    raise
            sleep(self.wait * 2 ** max(0, failures - 1))
        self.part.replace(output_file)
        self.tag.unlink(missing_ok=True)

    def _size(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0

    def _go_on(self, url: str) -> None:
        """One request: the part is complete after it, or it raises."""
        import requests

        tag = self.tag.read_text() if self.tag.exists() else ""
        start = self._size() if tag else 0
        headers = {"Accept-Encoding": "identity"}  # else bytes are counted before compression
        if start:
            headers |= {"Range": f"bytes={start}-", "If-Range": tag}
        with requests.get(url, headers=headers, stream=True, timeout=self.timeout) as response:
            status = response.status_code
            if status == 416 and _content_range(response) == (None, start):
                return
            wrong_part = status == 206 and (not start or _content_range(response)[0] != start)
            if status == 416 or wrong_part:
                self._forget()
                raise requests.ConnectionError(f"{url} has no such range: from the beginning")
            if status == 429 or status >= 500:  # busy, or out of order for a while
                raise requests.ConnectionError(f"{status} {response.reason}")
            response.raise_for_status()
            if "text/html" in response.headers.get("Content-Type", ""):
                raise requests.RequestException("it answered with a web page, not with the file")
            if status == 206:
                total = _content_range(response)[1]
            else:
                length = response.headers.get("Content-Length")
                start, total = 0, int(length) if length else None
                self._begin(response.headers)
            self._write(response, start, total)
        size = self._size()
        if total is not None and size != total:
            raise requests.ConnectionError(f"it broke off after {size:,} of {total:,} bytes")

    def _begin(self, headers: Any) -> None:
        """Forget an old part before the tag of the new one is noted."""
        self._forget()
        tag = headers.get("ETag", "")
        if not tag or tag.startswith("W/"):  # a weak one says alike, not the same
            tag = headers.get("Last-Modified", "")
        if tag:
            self.tag.write_text(tag)

    def _forget(self) -> None:
        self.part.unlink(missing_ok=True)
        self.tag.unlink(missing_ok=True)

    def _write(self, response: Any, start: int, total: int | None) -> None:
        from requests import ConnectionError
        from tqdm import tqdm
        from urllib3.exceptions import HTTPError

        name = self.part.name.removesuffix(".part")
        bar = tqdm(desc=name, initial=start, total=total, unit="B", unit_scale=True)
        with bar, self.part.open("ab") as file:
            try:
                # raw: some servers label a .tgz as a compressed .tar, which would be undone
                for block in response.raw.stream(BLOCK, decode_content=False):
                    file.write(block)
                    bar.update(len(block))
            except HTTPError as error:
                raise ConnectionError(error) from error


def _content_range(response: Any) -> tuple[int | None, int | None]:
    """First byte and size of the whole, of "bytes 5-9/10", "bytes 5-9/*" or "bytes */10"."""
    pattern = r"bytes (?:(\d+)-\d+|\*)/(?:(\d+)|\*)"
    found = re.fullmatch(pattern, response.headers.get("Content-Range", ""))
    first, total = found.groups() if found else (None, None)
    return (None if first is None else int(first), None if total is None else int(total))
