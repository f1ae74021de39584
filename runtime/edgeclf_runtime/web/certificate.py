"""The certificate for serving a page over HTTPS."""

from __future__ import annotations

import ssl

from edgeclf_runtime.sinks.key_pair import load_key_pair

__all__ = ["EXPIRED", "has_expired", "server_context"]

EXPIRED = "has expired: browsers warn of it, or refuse it; make or fetch a new one"
"""Warning about an expired certificate, to follow its name."""

_PARTIAL_CHAIN = 0x80000  # OpenSSL's X509_V_FLAG_PARTIAL_CHAIN: the certificate itself is trusted, whoever signed it
_CODE_EXPIRED = 10  # OpenSSL's X509_V_ERR_CERT_HAS_EXPIRED


def server_context(cert: str, key: str) -> ssl.SSLContext:
    """Return the TLS context of a server.

    Args:
        cert, key: paths of PEM files; ``key`` is empty if ``cert`` contains both.

    Raises:
        SinkError: a file cannot be used; the message names it and the reason.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    load_key_pair(context, cert, key, ("TLS certificate", "TLS key"))
    return context


def has_expired(server: ssl.SSLContext, cert: str) -> bool:
    """Whether a certificate has expired; one that is not valid yet counts as fine: the clock may not be set.

    Args:
        server: context from ``server_context``.
        cert: path of the certificate in it.
    """
    client = ssl.create_default_context(cafile=cert)
    client.check_hostname = False
    client.verify_flags |= _PARTIAL_CHAIN
    questions, answers = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = client.wrap_bio(answers, questions), server.wrap_bio(questions, answers, server_side=True)
    for side in sides * 2:  # a handshake in memory, because ssl cannot read the dates of a certificate file
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
        except ssl.SSLCertVerificationError as error:
            return error.verify_code == _CODE_EXPIRED
        except ssl.SSLError:
            return False
    return False
