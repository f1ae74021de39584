"""An HTTP client for network cameras: keeps its connection, speaks Basic and Digest, verifies certificates."""

from __future__ import annotations

import http.client
import ssl
import urllib.request
from urllib.parse import quote, unquote, urljoin, urlsplit

from edgeclf_runtime.errors import SourceError
from edgeclf_runtime.sources.network import tls
from edgeclf_runtime.sources.network.address import check_address, without_password

__all__ = ["HttpClient"]

_REDIRECTS = (301, 302, 303, 307, 308)
_WRITTEN = "%/:?#[]@!$&'()*+,;=~"  # characters of an address that are not escaped
_MOST_REQUESTS = 6  # requests for one answer: two for a password, the others for redirects


class HttpClient:
    """Requests one address again and again.

    Args:
        address: http or https address that ``check_address`` accepts.
        insecure: accept any certificate.
        timeout: seconds for connecting and for each wait for bytes.
    """

    def __init__(self, address: str, insecure: bool, timeout: float) -> None:
        self.shown = without_password(address)
        parts = urlsplit(address)
        self._user, self._password = unquote(parts.username or ""), unquote(parts.password or "")
        self._url = parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment="").geturl()
        self._insecure, self._timeout = insecure, timeout
        self._connection: http.client.HTTPConnection | None = None
        self._authorization = _Authorization(self._user, self._password)

    def get(self) -> http.client.HTTPResponse:
        """Return an answer with status 200; read it to its end, or close it, before the next request.

        Raises:
            SourceError: no answer, a certificate or password that is not accepted, or another status.
            http.client.HTTPException: the server does not speak HTTP.
        """
        for _ in range(_MOST_REQUESTS):
            answer = self._asked()
            if answer.status == 200:
                return answer
            if answer.status == 401 and self._authorization.learn(answer.headers.get_all("WWW-Authenticate", [])):
                self._finish(answer)
                continue
            if answer.status in _REDIRECTS:
                self._follow(answer.headers.get("Location", ""))
                continue
            break
        self.close()
        raise SourceError(
            f"{self.shown}: no video stream there. Check the address, the camera and the password. "
            f"(HTTP status {answer.status})"
        )

    def _asked(self) -> http.client.HTTPResponse:
        """Send one request; reconnect once if the camera has closed the connection."""
        for kept in (True, False):
            fresh = self._connection is None
            try:
                return self._request()
            except ssl.SSLCertVerificationError as error:
                self.close()
                what = f"its certificate is not trusted ({tls.reason(error)})"
                raise SourceError(f"{self.shown}: {what}. {tls.HOW_UNVERIFIED}") from None
            except (ConnectionError, http.client.BadStatusLine) as error:
                self.close()
                if fresh or not kept:
                    raise (error if isinstance(error, http.client.HTTPException) else self._silent(error)) from None
            except OSError as error:
                self.close()
                raise self._silent(error) from None
        raise AssertionError

    def _request(self) -> http.client.HTTPResponse:
        parts = urlsplit(self._url)
        if self._connection is None:
            host = parts.hostname or ""
            if parts.scheme == "https":
                self._connection = http.client.HTTPSConnection(
                    host, parts.port or 443, timeout=self._timeout, context=tls.context(self._insecure)
                )
            else:
                self._connection = http.client.HTTPConnection(host, parts.port or 80, timeout=self._timeout)
        headers = {"User-Agent": "edgeclf", "Accept": "*/*"}
        if authorization := self._authorization.header(self._url):
            headers["Authorization"] = authorization
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._connection.request("GET", quote(target, safe=_WRITTEN), headers=headers)
        return self._connection.getresponse()

    def _silent(self, error: OSError) -> SourceError:
        return SourceError(f"{self.shown}: no video stream there. Check the address and the camera. ({error})")

    def _follow(self, location: str) -> None:
        """Follow a redirect, only on the same host: the password is meant for nobody else."""
        self.close()
        before, after = urlsplit(self._url), urlsplit(urljoin(self._url, location))
        weaker = before.scheme == "https" and after.scheme != "https"
        if after.hostname != before.hostname or after.scheme not in ("http", "https") or weaker:
            raise SourceError(
                f"{self.shown}: it sends on to another host, or to one without TLS. Give its own address."
            )
        check_address(after.geturl())
        self._url = after._replace(fragment="").geturl()

    def _finish(self, answer: http.client.HTTPResponse) -> None:
        """Read the rest of an answer so that the connection can be reused, unless there is too much to read."""
        answer.read(65_536)
        if not answer.isclosed():
            self.close()

    def close(self) -> None:
        """Close the connection; the next request opens a new one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class _Authorization:
    """The authentication that the camera asks for: none, Basic or Digest (RFC 7616)."""

    def __init__(self, user: str, password: str) -> None:
        self._has_password = bool(user or password)
        passwords = urllib.request.HTTPPasswordMgrWithDefaultRealm()
        # Older versions of mypy do not know that the realm may be None.
        passwords.add_password(None, "http://camera/", user, password)  # type: ignore[arg-type, unused-ignore]
        self._digest = urllib.request.HTTPDigestAuthHandler(passwords)
        self._challenge: dict[str, str] | None = None
        self._basic = "Basic " + _base64(f"{user}:{password}")
        self._kind = ""

    def learn(self, challenges: list[str]) -> bool:
        """Read the challenges; return whether one of them can be answered that was not tried before."""
        schemes: dict[str, dict[str, str]] = {}
        for challenge in challenges:
            kind, _, rest = challenge.strip().partition(" ")
            parts = urllib.request.parse_keqv_list(
                [part for part in urllib.request.parse_http_list(rest) if "=" in part]
            )
            if kind.lower() != "digest" or parts.get("algorithm", "MD5").upper() in ("MD5", "SHA"):
                schemes.setdefault(kind.lower(), parts)
        digest = schemes.get("digest")
        # The same challenge again means that the password is wrong, unless only the nonce has expired.
        again = self._kind == "basic" or (self._kind == "digest" and (digest or {}).get("stale", "").lower() != "true")
        if not self._has_password or again:
            return False
        self._kind = "digest" if digest is not None else "basic" if "basic" in schemes else ""
        self._challenge = digest
        return bool(self._kind)

    def header(self, url: str) -> str:
        """Return the Authorization header for one request; "" if the camera asked for none."""
        if self._kind != "digest" or self._challenge is None:
            return self._basic if self._kind == "basic" else ""
        request = urllib.request.Request("http://camera" + urlsplit(url)._replace(scheme="", netloc="").geturl())
        try:
            words = self._digest.get_authorization(request, self._challenge)
        except UnicodeError:  # its message would show a letter of the password
            words = None
        if not words:
            raise SourceError(f"{without_password(url)}: it asks for a password in a way that is not known here.")
        return f"Digest {words}"


def _base64(text: str) -> str:
    import base64

    return base64.b64encode(text.encode()).decode()
