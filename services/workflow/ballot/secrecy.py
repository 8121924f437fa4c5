"""Secret choices: encrypted under a random id, linked to the member until the ballot closes, then shuffled and cut loose."""

import secrets
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from uuid import UUID

from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sqlalchemy import select

from kernel.requests import Transaction
from services.workflow.tables import Ballot, SealedChoice, Vote


def vault(transaction: Transaction) -> Fernet:
    """Give the cipher of secret choices; its key comes from the service's own secret, never from the database."""
    secret: str = transaction.service.settings.service_secret.get_secret_value()
    return Fernet(urlsafe_b64encode(HKDF(SHA256(), 32, None, b"secret ballot").derive(secret.encode())))


def seal(transaction: Transaction, ballot: Ballot, person: str, choice: str) -> None:
    """Keep a secret choice apart from who made it, linked until the ballot closes."""
    vote = transaction.session.get(Vote, (ballot.id, person))
    if vote is None:
        vote = Vote(ballot_id=ballot.id, person=person, sealed=UUID(bytes=secrets.token_bytes(16), version=4), at=transaction.now)
        transaction.session.add(vote)
    content = vault(transaction).encrypt(choice.ljust(7).encode())
    transaction.session.merge(SealedChoice(id=vote.sealed, ballot_id=ballot.id, content=content))


def unseal(transaction: Transaction, ballot: Ballot, votes: Sequence[Vote]) -> list[str]:
    """Give the secret choices shuffled, and destroy every link between them and the voters."""
    cipher = vault(transaction)
    choices = []
    for sealed in transaction.session.scalars(select(SealedChoice).where(SealedChoice.ballot_id == ballot.id)):
        choices.append(cipher.decrypt(sealed.content).decode().strip())
        transaction.session.delete(sealed)
    for vote in votes:
        vote.sealed = None
    secrets.SystemRandom().shuffle(choices)
    return choices
