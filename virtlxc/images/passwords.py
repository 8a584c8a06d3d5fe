"""Passwords as /etc/shadow has them: SHA-crypt with SHA-512, the scheme ``$6$`` of crypt(5).

Python's own ``crypt`` is gone since 3.13. The algorithm is Ulrich Drepper's "Unix crypt using
SHA-256 and SHA-512", whose steps the numbers below are.
"""

from __future__ import annotations

import hashlib
import secrets

_SIGNS = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_ROUNDS = 5000
_SALT_LENGTH = 16
# No sign that is easily taken for another.
_READABLE = "abcdefghijkmnopqrstuvwxyz23456789"
_GENERATED_LENGTH = 14


def generate() -> str:
    """A password of some 70 bits that can be typed."""
    return "".join(secrets.choice(_READABLE) for _ in range(_GENERATED_LENGTH))


def hashed(password: str, salt: str | None = None) -> str:
    """The field of /etc/shadow."""
    if salt is None:
        salt = "".join(secrets.choice(_SIGNS) for _ in range(_SALT_LENGTH))
    return f"$6${salt}${_encoded(_digest(password.encode(), salt.encode()))}"


def _repeated(data: bytes, length: int) -> bytes:
    return (data * (length // len(data) + 1))[:length] if length else b""


def _digest(key: bytes, salt: bytes) -> bytes:
    other = hashlib.sha512(key + salt + key).digest()  # 4-8
    first = hashlib.sha512(key + salt)  # 1-3
    first.update(_repeated(other, len(key)))  # 9, 10
    count = len(key)
    while count:  # 11
        first.update(other if count & 1 else key)
        count >>= 1
    digest = first.digest()  # 12
    p = _repeated(hashlib.sha512(key * len(key)).digest(), len(key))  # 13-16
    s = _repeated(hashlib.sha512(salt * (16 + digest[0])).digest(), len(salt))  # 17-20
    for number in range(_ROUNDS):  # 21
        odd = number & 1
        round_ = hashlib.sha512(p if odd else digest)
        if number % 3:
            round_.update(s)
        if number % 7:
            round_.update(p)
        round_.update(digest if odd else p)
        digest = round_.digest()
    return digest


def _encoded(digest: bytes) -> str:  # 22
    text = ""
    a, b, c = 0, 21, 42
    for _ in range(21):
        text += _signs(digest[a] << 16 | digest[b] << 8 | digest[c], 4)
        a, b, c = b + 1, c + 1, a + 1
    return text + _signs(digest[63], 2)


def _signs(value: int, count: int) -> str:
    return "".join(_SIGNS[value >> 6 * place & 63] for place in range(count))
