"""The rotation of the signing keys in four phases, by command, with several replicas: no valid token is ever refused."""

import asyncio
import base64
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from jose import jwt
from pydantic import SecretStr

from gateway import keys
from gateway.__main__ import main
from gateway.program import Gateway
from gateway.seal import Seal
from gateway.tables import SigningKey
from kernel.clock import wall
from kernel.identity import (
    ACCESS_LIFETIME,
    API_AUDIENCE,
    KEY_REFRESH_SECONDS,
    KEYS_KEPT_SECONDS,
    KeySet,
    OutsideKeys,
    Verifier,
    public_jwk,
)
from kernel.problems import Problem
from tests.rig import Award

ROOT = Path(__file__).parents[2]
MINUTE = keys.KNOWN_EVERYWHERE


class Rotation:
    """Two replicas of the door and two verifiers, whose clock and whose keys' ages the test moves."""

    def __init__(self, award: Award) -> None:
        settings = award.product.door.gateway.settings
        self.replicas = [Gateway(settings, {}) for _ in range(2)]
        self.seconds = 0.0
        self.fetches = 0
        self.refused: list[str] = []
        self.verifiers = [
            Verifier(settings.issuer, frozenset({API_AUDIENCE}), self.fetch, self.refused.append, lambda: self.seconds) for _ in range(2)
        ]

    async def fetch(self) -> KeySet:
        self.fetches += 1
        return await self.replicas[self.fetches % 2].fetch_keys()

    def tokens(self) -> list[str]:
        return [replica.signer.sign("p1", {"role": "reviewer"}) for replica in self.replicas]

    def accepted(self, *tokens: str) -> bool:
        async def verify() -> None:
            for verifier in self.verifiers:
                for token in tokens:
                    await verifier.verify(token)

        try:
            asyncio.run(verify())
        except Problem:
            return False
        return True

    def passes(self, time: timedelta) -> None:
        """Let time pass, for the verifiers' clock, for the replicas' caches and for the keys' own ages."""
        self.seconds += time.total_seconds()
        with self.replicas[0].sessions.begin() as session:
            for row in session.query(SigningKey):
                row.published_at -= time
                row.moved_at -= time
        for replica in self.replicas:
            replica.keys.read_again()

    def step(self, step: str, kid: str | None = None, *, now: bool = False) -> str:
        gateway = self.replicas[0]
        with gateway.sessions.begin() as session:
            return keys.take(session, gateway.seal, step, kid, now=now).kid


@pytest.fixture
def rotation(award: Award) -> Iterator[Rotation]:
    rotation = Rotation(award)
    yield rotation
    award.product.door.gateway.keys.read_again()
    for replica in rotation.replicas:
        replica.engine.dispose()


def kid_of(rotation: Rotation) -> str:
    return rotation.replicas[0].keys.current().kid


def test_every_key_that_signs_has_3072_bits(rotation: Rotation) -> None:
    gateway = rotation.replicas[0]
    published = [*gateway.keys.current().published.values(), keys.new_key(gateway.seal, "published").public]
    assert {(key["alg"], len(base64.urlsafe_b64decode(key["n"] + "==")) * 8) for key in published} == {("RS256", 3072)}


@pytest.mark.parametrize(("bits", "known_keys"), [(2040, 0), (2048, 1)])
def test_an_outside_rsa_key_under_2048_bits_is_left_out(bits: int, known_keys: int) -> None:
    private = rsa.generate_private_key(65537, bits)
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    now = int(wall().timestamp())
    content = {"iss": "https://issuer.example", "aud": "award", "sub": "somebody", "iat": now, "exp": now + 60}
    token = jwt.encode(content, pem, algorithm="RS256", headers={"kid": "one"})
    known = OutsideKeys("https://issuer.example", "award", ["RS256"], timedelta(hours=1))
    known.take([public_jwk("one", private.public_key())])
    assert known.knows(token) == (known_keys > 0)
    if known_keys:
        assert known.claims(token)["sub"] == "somebody"


def test_no_valid_token_is_refused_during_a_whole_rotation(rotation: Rotation) -> None:
    before = rotation.tokens()
    former = kid_of(rotation)
    assert rotation.accepted(*before)
    new = rotation.step("publish")
    with pytest.raises(keys.RotationError, match="Not before"):
        rotation.step("sign")
    rotation.passes(MINUTE)
    assert rotation.accepted(*rotation.tokens(), *before)
    assert kid_of(rotation) == former
    rotation.step("sign")
    lagging = rotation.replicas[1].signer.sign("p1", {"role": "reviewer"})  # has not read the database again yet
    rotation.replicas[0].keys.read_again()
    first = rotation.replicas[0].signer.sign("p1", {"role": "reviewer"})
    assert kid_of(rotation) == new
    assert rotation.accepted(*before, lagging, first)
    with pytest.raises(keys.RotationError, match="Not before"):
        rotation.step("retire")
    rotation.passes(MINUTE)
    last = rotation.tokens()
    assert rotation.step("retire") == former
    rotation.passes(timedelta(0))
    assert rotation.accepted(*before, lagging, first, *last)
    with pytest.raises(keys.RotationError, match="Not before"):
        rotation.step("drop")
    rotation.passes(ACCESS_LIFETIME)
    with pytest.raises(keys.RotationError, match="Not before"):
        rotation.step("drop")
    rotation.passes(MINUTE)
    assert rotation.step("drop") == former
    rotation.passes(timedelta(seconds=KEYS_KEPT_SECONDS))
    assert rotation.accepted(*rotation.tokens(), first)
    assert rotation.refused == []
    assert not rotation.accepted(before[0])


def test_the_former_key_signs_again_until_it_is_retired(rotation: Rotation) -> None:
    former = kid_of(rotation)
    rotation.step("publish")
    rotation.passes(MINUTE)
    new = rotation.step("sign")
    assert rotation.step("sign", former) == former
    with pytest.raises(keys.RotationError, match="0 keys to choose from"):
        rotation.step("retire", former)
    rotation.passes(MINUTE)
    assert rotation.step("retire", new) == new
    with pytest.raises(keys.RotationError, match="0 keys to choose from"):
        rotation.step("sign", new)


def test_a_leaked_key_is_dropped_at_once_and_forgotten_by_every_verifier(rotation: Rotation) -> None:
    leaked, kid = rotation.tokens(), kid_of(rotation)
    assert rotation.accepted(*leaked)
    rotation.step("sign", rotation.step("publish"), now=True)
    for step in ("retire", "drop"):
        assert rotation.step(step, kid, now=True) == kid
    rotation.passes(timedelta(seconds=KEY_REFRESH_SECONDS))
    assert rotation.accepted(*rotation.tokens())  # its unknown key has the set fetched anew, without the leaked one
    assert not rotation.accepted(leaked[0])
    assert not rotation.accepted(leaked[1])


def test_an_unknown_key_has_the_set_fetched_once_a_minute_at_most(rotation: Rotation) -> None:
    good = rotation.tokens()[0]
    assert rotation.accepted(good)
    _, claims, signature = good.split(".")
    header = base64.urlsafe_b64encode(b'{"alg":"RS256","kid":"unknown","typ":"at+jwt"}').decode().rstrip("=")

    def fetches() -> int:
        before = rotation.fetches
        for _ in range(20):
            assert not rotation.accepted(f"{header}.{claims}.{signature}")
        return rotation.fetches - before

    assert fetches() == 0
    rotation.seconds += KEY_REFRESH_SECONDS
    assert fetches() == 1  # the first verifier gives up at the first refusal, so that the second is never asked


def test_a_private_key_is_encrypted_in_the_database_and_bound_to_its_row(rotation: Rotation) -> None:
    gateway = rotation.replicas[0]
    kid = kid_of(rotation)
    with gateway.sessions() as session:
        sealed = session.get_one(SigningKey, kid).sealed
    assert sealed is not None
    assert b"PRIVATE KEY" not in sealed
    assert gateway.seal.open(sealed, kid).startswith(b"-----BEGIN PRIVATE KEY-----")
    for wrong, owner in ((gateway.seal, "another"), (Seal(SecretStr("A" * 43)), kid)):
        with pytest.raises(InvalidTag):
            wrong.open(sealed, owner)


def test_the_command_lists_and_rotates_and_says_in_a_sentence_what_it_will_not_do(
    award: Award, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = award.product.door.gateway.settings
    given = {
        "database_url": settings.database_url, "service_secret": "x" * 32, "record_seed": settings.record_seed.get_secret_value(),
        "intake_secret": "x", "scoring_secret": "x", "workflow_secret": "x",
    }  # fmt: skip
    for name, value in given.items():
        monkeypatch.setenv(f"QUALITY_AWARD_{name.upper()}", value)

    def command(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["gateway", "keys", *words])
        status = main()
        told = capsys.readouterr()
        return status, told.out, told.err

    status, listed, complaint = command("publish")
    assert (status, complaint) == (0, "")
    assert {"published", "signing"} <= {line.split()[1] for line in listed.splitlines()}
    status, _, complaint = command("sign", listed.splitlines()[-1].split()[0])
    assert (status, complaint[:10]) == (1, "Not before")
    assert command("list")[1] == listed
