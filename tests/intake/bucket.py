"""An S3-compatible store on this machine, with one empty bucket."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import boto3
from moto.server import ThreadedMotoServer

NAME, KEY, SECRET = "award", "key", "secret"


@dataclass(frozen=True)
class Bucket:
    """The settings that have a product keep its attachments there, and a look at how many it keeps."""

    settings: Mapping[str, str]
    count: Callable[[], int]


@contextmanager
def bucket() -> Iterator[Bucket]:
    """Serve the store until the block ends."""
    store = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    store.start()
    host, port = store.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    client = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id=KEY, aws_secret_access_key=SECRET)
    client.create_bucket(Bucket=NAME)
    given = {"BUCKET": NAME, "ENDPOINT": endpoint, "KEY": KEY, "SECRET": SECRET}
    try:
        settings = {f"QUALITY_AWARD_FILES_S3_{name}": value for name, value in given.items()}
        yield Bucket(settings, lambda: int(client.list_objects_v2(Bucket=NAME)["KeyCount"]))
    finally:
        client.close()
        store.stop()
