"""Tokens that no door of ours gave: forged, malformed, re-encoded and mis-claimed, one family after the other.

Where only the content is wrong the token is signed with the door's own key, so that nothing but the check of that content can refuse it.
"""

import base64
import hmac
import json
import random
from collections.abc import Callable, Iterator
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

Forgery = tuple[str, bytes]
Sign = Callable[[bytes], bytes]
FLIPS = 150
ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def unb64(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def text(content: object) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode()


class Forger:
    """Knows a good token, and even the door's own key."""

    def __init__(self, good: str, pem: str) -> None:
        self.good = good
        loaded = serialization.load_pem_private_key(pem.encode(), None)
        assert isinstance(loaded, rsa.RSAPrivateKey)
        self.key = loaded

    @property
    def header(self) -> dict[str, Any]:
        return dict(json.loads(unb64(self.good.split(".")[0])))

    @property
    def claims(self) -> dict[str, Any]:
        return dict(json.loads(unb64(self.good.split(".")[1])))

    def signed(self, header: bytes, claims: bytes) -> bytes:
        """Sign two texts as they are with the door's own key."""
        told = f"{b64(header)}.{b64(claims)}".encode()
        return told + b"." + b64(self.key.sign(told, padding.PKCS1v15(), hashes.SHA256())).encode()

    def with_header(self, header: object) -> bytes:
        return self.signed(header if isinstance(header, bytes) else text(header), text(self.claims))

    def with_claims(self, claims: object) -> bytes:
        return self.signed(text(self.header), claims if isinstance(claims, bytes) else text(claims))

    def by(self, algorithm: str, sign: Sign, **header: object) -> bytes:
        """Let another algorithm or key sign the good claims."""
        told = f"{b64(text(self.header | {'alg': algorithm} | header))}.{b64(text(self.claims))}".encode()
        return told + b"." + b64(sign(told)).encode()


def all_forgeries(forger: Forger) -> list[Forgery]:
    """Give every forgery, each once."""
    families = (headers, header_texts, claims, claim_texts, times, algorithms, encodings, forms, signatures, flips)
    found: dict[bytes, str] = {}
    for family in families:
        for name, token in family(forger):
            found.setdefault(token, f"{family.__name__}: {name}")
    found.pop(forger.good.encode(), None)
    return [(name, token) for token, name in found.items()]


ODD: tuple[object, ...] = (None, True, False, 0, 1, -1, 1.5, "", " ", "x" * 300, [], ["x"], {}, {"a": 1}, "\u0000", "\u202e", "\U0001f600")
STRANGE_HEADERS: dict[str, tuple[object, ...]] = {
    "alg": (
        "none", "None", "NONE", "nOnE", "HS256", "HS384", "HS512", "RS384", "RS512", "PS256", "PS384", "ES256", "ES384", "EdDSA", "dir",
        "RSA-OAEP", "RSA1_5", "A128KW", "rs256", "RS256 ", "RS-256", "RSA", "RS256\n", ["RS256"], {"alg": "RS256"},
    ),
    "typ": ("JWT", "jwt", "at+JWT", "AT+JWT", "application/at+jwt", "at+jwt ", "JOSE", "JWE", "id+jwt", "logout+jwt", "dpop+jwt"),
    "kid": (
        "unknown", "../../../../etc/passwd", "/dev/null", "file:///etc/passwd", "http://127.0.0.1:9/jwks", "' or '1'='1", "'; drop table account; --",
        "\\", "%00", "..", "0", "null", "signing", "$(id)", "{{7*7}}", "a" * 2000,
    ),
}  # fmt: skip
ADDED_HEADERS: dict[str, tuple[object, ...]] = {
    "jku": ("http://127.0.0.1:9/keys", "https://example.org/jwks.json", 1), "x5u": ("http://127.0.0.1:9/cert",), "x5c": (["MIIB"], "MIIB"),
    "jwk": ({}, {"kty": "oct", "k": "AAAA"}, {"kty": "RSA", "n": "AQAB", "e": "AQAB"}), "x5t": ("x",), "x5t#S256": ("x",),
    "crit": (["exp"], ["b64"], [], ["alg"], "exp", ["http://example.org/unknown"]), "b64": (False, True), "zip": ("DEF",), "cty": ("JWT", "jwt"),
    "enc": ("A128GCM",), "epk": ({},), "p2c": (2**31,), "nonce": ("1",), "url": ("http://127.0.0.1:9/",), "": (1,), "Alg": ("RS256",),
    "alg\u0000": ("none",), "exp": (2**40,), "iss": ("quality-award",), "role": ("committee",),
}  # fmt: skip


def headers(forger: Forger) -> Iterator[Forgery]:
    good = forger.header
    for name in good:
        yield f"without {name}", forger.with_header({key: value for key, value in good.items() if key != name})
        for value in (*ODD, *STRANGE_HEADERS[name]):
            yield f"{name} {value!r:.40}", forger.with_header(good | {name: value})
    for name, values in ADDED_HEADERS.items():
        for value in values:
            yield f"with {name} {value!r:.40}", forger.with_header(good | {name: value})
    contents: tuple[object, ...] = ([], [good], "RS256", 1, None, True, {}, "", good["kid"])
    for content in contents:
        yield f"content {content!r:.40}", forger.with_header(content)


def raw_variants(good: bytes, member: str) -> Iterator[tuple[str, bytes]]:
    """Write one JSON object in ways that two readers could understand differently, or not at all."""
    inside = good[1:-1]
    deep = b"[" * 700 + b"]" * 700
    yield "a member twice", b"{" + inside + b"," + inside + b"}"
    yield "one member twice", good[:-1] + f',"{member}":"x"}}'.encode()
    yield "a member twice, once escaped", good[:-1] + f',"\\u{ord(member[0]):04x}{member[1:]}":"x"}}'.encode()
    yield "deep", good[:-1] + b',"a":' + deep + b"}"
    yield "deep objects", good[:-1] + b',"a":' + b'{"a":' * 300 + b"1" + b"}" * 300 + b"}"
    yield "only brackets", b"[" * 1500
    for constant in (b"NaN", b"Infinity", b"-Infinity"):
        yield constant.decode(), good[:-1] + b',"a":' + constant + b"}"
    yield "not ended", good[:-1]
    yield "garbage after it", good + b"x"
    yield "two of them", good + good
    yield "NUL after it", good + b"\0"
    yield "a byte order mark", b"\xef\xbb\xbf" + good
    yield "UTF-16", good.decode().encode("utf-16")
    yield "UTF-16 without a mark", good.decode().encode("utf-16-le")
    yield "UTF-32", good.decode().encode("utf-32")
    yield "bytes that are no UTF-8", good[:-1] + b',"a":"\xff"}'
    yield "an overlong slash", good[:-1] + b',"a":"\xc0\xaf"}'
    yield "an encoded surrogate", good[:-1] + b',"a":"\xed\xa0\x80"}'
    yield "single quotes", good.replace(b'"', b"'")
    yield "a comment", b"/**/" + good
    yield "a trailing comma", good[:-1] + b",}"
    yield "nothing", b" "
    yield "a huge number", good[:-1] + b',"a":1' + b"0" * 1500 + b"}"


def header_texts(forger: Forger) -> Iterator[Forgery]:
    for name, raw in raw_variants(text(forger.header), "kid"):
        yield name, forger.with_header(raw)


STRANGE_CLAIMS: dict[str, tuple[object, ...]] = {
    "iss": ("another", "quality-award ", "Quality-Award", "quality-award/", "https://quality-award", ["quality-award"], {"iss": 1}),
    "aud": (
        "another", "quality-award ", "Quality-Award", "quality-award/", "quality-award/nothing", "quality-award/../intake", "*", ["quality-award"],
        ["another", "quality-award"], [["quality-award"]], [None], {"quality-award": 1},
    ),
    "sub": ("a b", "x" * 65, "p1\n", "../p1", "p1/..", "p1;", "p1\u0000", "p\u0661", "\u0440\u0031", "p1%00", "'p1'", ["p1"]),
    "jti": ([1], "a b", "x" * 65, "\n", "../x", {"a": 1}),
}  # fmt: skip
MISSING = ("iss", "aud", "sub", "iat", "exp", "jti")
ADDED_CLAIMS: dict[str, tuple[object, ...]] = {
    "role": (*ODD, "mayor", "Reviewer", "committee ", "admin", ["committee"], "applicant,committee", "service"),
    "duties": ([["office"]], ["king"], "office", ["office"], {"office": 1}, [1], [None], ["Office"], 1, True, None),
    "org": (1, None, [], {}, True), "body": (["x"], None, 1, False), "scope": (["service"], None, 1, {}, True),
    "nbf": (2**40, "soon", 1e12, None, [1]), "cnf": ({"jkt": "x"},), "act": ({"sub": "p2"},), "client_id": ("intake",), "admin": (True,),
    "roles": (["committee"],), "Role": ("committee",), "": (1,), "__proto__": ({"role": "committee"},),
}  # fmt: skip


def claims(forger: Forger) -> Iterator[Forgery]:
    good = forger.claims
    for name in MISSING:
        yield f"without {name}", forger.with_claims({key: value for key, value in good.items() if key != name})
    for name, values in STRANGE_CLAIMS.items():
        for value in (*ODD, *values):
            yield f"{name} {value!r:.40}", forger.with_claims(good | {name: value})
    for name, values in ADDED_CLAIMS.items():
        for value in values:
            yield f"with {name} {value!r:.40}", forger.with_claims(good | {name: value})
    for duty in ("office", "chair", "vice_chair", "member"):
        yield f"a reviewer with duty {duty}", forger.with_claims(good | {"role": "reviewer", "duties": [duty]})
    contents: tuple[object, ...] = ([], [good], "x", 1, None, True, {}, forger.good)
    for content in contents:
        yield f"content {content!r:.40}", forger.with_claims(content)


def claim_texts(forger: Forger) -> Iterator[Forgery]:
    for name, raw in raw_variants(text(forger.claims), "sub"):
        yield name, forger.with_claims(raw)


def times(forger: Forger) -> Iterator[Forgery]:
    good = forger.claims
    now = good["iat"]
    for name in ("iat", "exp"):
        for value in (*ODD, str(good[name]), float(good[name]), good[name] + 0.5, [good[name]], 2**62, -(2**62), 2**400, 10**300):
            yield f"{name} {value!r:.40}", forger.with_claims(good | {name: value})
        for raw in (b"NaN", b"Infinity", b"-Infinity", b"1e400", b"-0", b"1E10", f"{good[name]}.0".encode(), f"0{good[name]}".encode()):
            told = text(good).replace(f'"{name}":{good[name]}'.encode(), f'"{name}":'.encode() + raw)
            yield f"{name} {raw.decode()}", forger.with_claims(told)
    for issued, expires in (
        (-3600, -2700),
        (-900, 0),
        (-901, -1),
        (0, 901),
        (0, 3600),
        (0, 86400),
        (3600, 4500),
        (61 + 60, 900),
        (900, 0),
        (0, 0),
    ):
        yield f"from {issued} to {expires}", forger.with_claims(good | {"iat": now + issued, "exp": now + expires})


def by_secret(secret: bytes, digest: str) -> Sign:
    return lambda told: hmac.new(secret, told, digest).digest()


def by_rote(signature: bytes) -> Sign:
    return lambda _told: signature


def by_rsa(key: rsa.RSAPrivateKey, pad: padding.AsymmetricPadding, digest: hashes.HashAlgorithm) -> Sign:
    return lambda told: key.sign(told, pad, digest)


def algorithms(forger: Forger) -> Iterator[Forgery]:
    own, public = forger.key, forger.key.public_key()
    other, curve = rsa.generate_private_key(65537, own.key_size), ec.generate_private_key(ec.SECP256R1())
    spki, pkcs1 = serialization.PublicFormat.SubjectPublicKeyInfo, serialization.PublicFormat.PKCS1
    secrets = {
        f"the public key as {form} {kind}": public.public_bytes(encoding, kind_of)
        for form, encoding in (("PEM", serialization.Encoding.PEM), ("DER", serialization.Encoding.DER))
        for kind, kind_of in (("SPKI", spki), ("PKCS1", pkcs1))
    }
    secrets |= {"stripped PEM": secrets["the public key as PEM SPKI"].strip(), "nothing": b"", "the kid": forger.header["kid"].encode()}
    secrets["the modulus"] = public.public_numbers().n.to_bytes(own.key_size // 8, "big")
    secrets["the JWK"] = text({"kty": "RSA", "n": b64(secrets["the modulus"]), "e": "AQAB"})
    for algorithm, digest in (("HS256", "sha256"), ("HS384", "sha384"), ("HS512", "sha512"), ("RS256", "sha256")):
        for name, secret in secrets.items():
            yield f"{algorithm} with {name}", forger.by(algorithm, by_secret(secret, digest))
    for algorithm in ("none", "None", "NONE", "nOnE", "", "RS256"):
        for signature in (b"", b"\0", b"none", b"\0" * (own.key_size // 8), b"\xff" * (own.key_size // 8)):
            yield f"{algorithm} with {signature!r:.12}", forger.by(algorithm, by_rote(signature))
    for algorithm in ("RS256", "PS256"):
        pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
        yield f"PSS by our own key as {algorithm}", forger.by(algorithm, by_rsa(own, pss, hashes.SHA256()))
    for algorithm, weak in (("RS256", hashes.SHA1()), ("RS256", hashes.SHA512()), ("RS384", hashes.SHA384()), ("RS512", hashes.SHA512())):
        yield f"{weak.name} by our own key as {algorithm}", forger.by(algorithm, by_rsa(own, padding.PKCS1v15(), weak))

    by_other = by_rsa(other, padding.PKCS1v15(), hashes.SHA256())

    def by_curve(told: bytes) -> bytes:
        r, s = decode_dss_signature(curve.sign(told, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    numbers = other.public_key().public_numbers()
    jwk = {"kty": "RSA", "n": b64(numbers.n.to_bytes(own.key_size // 8, "big")), "e": "AQAB", "kid": forger.header["kid"]}
    yield "another's key", forger.by("RS256", by_other)
    yield "another's key and kid", forger.by("RS256", by_other, kid="theirs")
    yield "another's key in the header", forger.by("RS256", by_other, jwk=jwk)
    yield "another's key by address", forger.by("RS256", by_other, jku="http://127.0.0.1:9/")
    yield "a curve", forger.by("ES256", by_curve)
    yield "a curve as RS256", forger.by("RS256", by_curve)
    yield "a curve in DER", forger.by("ES256", lambda told: curve.sign(told, ec.ECDSA(hashes.SHA256())))
    yield "a psychic signature", forger.by("ES256", lambda _told: b"\0" * 64)


def encodings(forger: Forger) -> Iterator[Forgery]:
    parts = forger.good.split(".")
    for place, name in enumerate(("header", "claims", "signature")):
        part = parts[place]
        last = ALPHABET.index(part[-1].encode())
        odd = {f"last bits {bit}": part[:-1] + chr(ALPHABET[last ^ bit]) for bit in (1, 2, 3)}
        odd |= {
            f"ending {end!r}": part + end
            for end in ("=", "==", "===", "====", "A", "AA", "AAA", " ", "\t", "%3D", "%00", "!", "-", "_", "+", "/", "\\")
        }
        odd |= {
            f"with {what!r} inside": part[:8] + what + part[8:]
            for what in ("=", " ", "\t", "+", "/", "%", "\u00e9", "\u0430", "\uff21", ",", ";", "\\n")
        }
        odd |= {
            "padded hex": part.encode().hex(), "lower case": part.lower(), "upper case": part.upper(), "backwards": part[::-1],
            "encoded twice": b64(part.encode()), "standard alphabet": part.replace("-", "+").replace("_", "/"), "empty": "",
            "a full-width letter": "\uff25" + part[1:], "quoted": f'"{part}"', "beginning with space": " " + part,
        }  # fmt: skip
        for what, changed in odd.items():
            told = ".".join([*parts[:place], changed, *parts[place + 1 :]])
            if told != forger.good:
                yield f"{name} {what}", told.encode()


def forms(forger: Forger) -> Iterator[Forgery]:
    head, body, signature = forger.good.split(".")
    texts = {
        "one part": head, "two parts": f"{head}.{body}", "four parts": f"{forger.good}.{signature}", "five parts": f"{head}.{body}.{signature}.{body}.{signature}",
        "a dot first": f".{forger.good}", "a dot last": f"{forger.good}.", "two dots": f"{head}..{signature}", "dots": "..", "many dots": "." * 200,
        "swapped 1": f"{body}.{head}.{signature}", "swapped 2": f"{head}.{signature}.{body}", "swapped 3": f"{signature}.{body}.{head}",
        "twice": f"{forger.good} {forger.good}", "twice with a comma": f"{forger.good}, Bearer {forger.good}", "with a scheme": f"Bearer {forger.good}",
        "in quotes": f'"{forger.good}"', "in brackets": f"<{forger.good}>", "URL-encoded": forger.good.replace(".", "%2E"),
        "full-width dots": forger.good.replace(".", "\uff0e"), "detached": f"{head}..{signature}", "too long": f"{head}.{body}.{'A' * 5000}",
        "too long in the header": f"{'A' * 4096}.{body}.{signature}", "huge": "A" * 50_000, "undefined": "undefined", "null": "null", "x": "x",
        "a refresh token": "8h3mVYb0b6A0Lr0k2yF0ow1m2W4a0hSmB4PZQnSc3xE", "a UUID": forger.claims["jti"], "Basic": b64(b"office:office"),
        "flattened JSON": json.dumps({"protected": head, "payload": body, "signature": signature}),
        "general JSON": json.dumps({"payload": body, "signatures": [{"protected": head, "signature": signature}]}),
        "JWE": ".".join([b64(text({"alg": "RSA-OAEP", "enc": "A128GCM"})), b64(b"\0" * 256), b64(b"\0" * 12), b64(b"x"), b64(b"\0" * 16)]),
        "JWE dir": ".".join([b64(text({"alg": "dir", "enc": "A128GCM"})), "", b64(b"\0" * 12), b64(b"x"), b64(b"\0" * 16)]),
        "PASETO": f"v4.public.{b64(text(forger.claims))}", "XML": "<saml:Assertion/>", "Unicode": "\u4ee4\u724c." * 30, "emoji": "\U0001f511.\U0001f511.\U0001f511",
    }  # fmt: skip
    for name, told in texts.items():
        yield name, told.encode()
    for name, raw in {"high bytes": b"\xff" * 60, "C1": b"\x80\x81.\x82.\x83", "broken UTF-8": b"\xc3\x28.\xc3\x28.\xc3\x28"}.items():
        yield name, raw
    yield "nested", forger.signed(text(forger.header | {"cty": "JWT"}), forger.good.encode())
    thefts: dict[str, dict[str, Any]] = {
        "office": {"role": "committee", "duties": ["office"]}, "chair": {"role": "committee", "duties": ["chair"]}, "supervisor": {"role": "supervisor"},
        "another person": {"sub": "p2"}, "a service": {"scope": "service"}, "a longer life": {"exp": forger.claims["exp"] + 1},
        "another organisation": {"role": "applicant", "org": "91330703MA28E3QW5E"},
    }  # fmt: skip
    for name, stolen in thefts.items():
        yield f"claims replaced: {name}", f"{head}.{b64(text(forger.claims | stolen))}.{signature}".encode()


def signatures(forger: Forger) -> Iterator[Forgery]:
    head, body, signature = forger.good.split(".")
    raw = unb64(signature)
    number, modulus = int.from_bytes(raw, "big"), forger.key.public_key().public_numbers().n
    odd = {f"truncated to {length}": raw[:length] for length in (0, 1, 8, 32, 64, 128, 200, len(raw) - 2, len(raw) - 1)}
    odd |= {f"extended by {count}": raw + b"\0" * count for count in (1, 16, len(raw))} | {
        f"{count} zeros first": b"\0" * count + raw for count in (1, 2)
    }
    odd |= {f"byte {place} changed": raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :] for place in range(0, len(raw), 24)}
    odd |= {
        "reversed": raw[::-1],
        "twice": raw + raw,
        "one": (1).to_bytes(len(raw), "big"),
        "the modulus": modulus.to_bytes(len(raw), "big"),
    }
    odd["plus the modulus"] = (number + modulus).to_bytes(len(raw) + 1, "big")
    odd["of nothing"] = forger.key.sign(b"", padding.PKCS1v15(), hashes.SHA256())
    odd["of the claims alone"] = forger.key.sign(body.encode(), padding.PKCS1v15(), hashes.SHA256())
    odd["of the decoded parts"] = forger.key.sign(unb64(head) + b"." + unb64(body), padding.PKCS1v15(), hashes.SHA256())
    for name, changed in odd.items():
        yield name, f"{head}.{body}.{b64(changed)}".encode()


def flips(forger: Forger) -> Iterator[Forgery]:
    """Change single characters of a good token, drawn with a fixed seed."""
    drawn = random.Random(19580)  # noqa: S311 - the same forgeries every time
    good = forger.good.encode()
    for _ in range(FLIPS):
        place = drawn.randrange(len(good))
        changed = drawn.choice([one for one in ALPHABET if one != good[place]])
        yield f"character {place}", good[:place] + bytes([changed]) + good[place + 1 :]
