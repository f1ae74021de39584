"""The certificate that a page is served with over HTTPS."""

from __future__ import annotations

import ssl

from edgeclf_runtime.sinks.key_pair import load_key_pair

__all__ = ["EXPIRED", "has_expired", "server_context"]

EXPIRED = "has expired: browsers warn of it, or refuse it; make or fetch a new one"
"""What to say of such a certificate, after its name."""

_PARTIAL_CHAIN = 0x80000  # OpenSSL's X509_V_FLAG_PARTIAL_CHAIN: the certificate itself is trusted, whoever signed it
_CODE_EXPIRED = 10  # OpenSSL's X509_V_ERR_CERT_HAS_EXPIRED


def server_context(cert: str, key: str) -> ssl.SSLContext:
    """What a server shows.

    Args:
        cert, key: paths of PEM files; ``key`` is empty where ``cert`` holds both.

    Raises:
        SinkError: names the file that cannot be used, and why.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    load_key_pair(context, cert, key, ("TLS certificate", "TLS key"))
    return context


def has_expired(server: ssl.SSLContext, cert: str) -> bool:
    """Whether a certificate is too old; one that is not valid yet is not: the clock may be unset.

    Args:
        server: of ``server_context``.
        cert: the same file as there.
    """
    client = ssl.create_default_context(cafile=cert)
    client.check_hostname = False
    client.verify_flags |= _PARTIAL_CHAIN
    questions, answers = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = client.wrap_bio(answers, questions), server.wrap_bio(questions, answers, server_side=True)
    for side in sides * 2:  # the standard library reads no dates of a file: a handshake in memory does
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
        except ssl.SSLCertVerificationError as error:
            return error.verify_code == _CODE_EXPIRED
        except ssl.SSLError:
            return False
    return False
