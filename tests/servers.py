"""Real servers for the tests: the demo's own, and an S3 that keeps versions (moto's)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from appliance.demo.servers import S3, Https, Sshd, free_port, https, s3, sshd

__all__ = ["S3", "Https", "Sshd", "free_port", "https", "s3", "s3_client", "sshd", "versioned_s3"]


@contextmanager
def versioned_s3(bucket: str = "office", *, locked: bool = False) -> Iterator[S3]:
    """An S3 bucket in memory, in a thread of ours, with versioning switched on.

    `locked`: each version is kept for a day, whoever asks for its deletion.
    """
    from moto.s3.models import s3_backends
    from moto.server import ThreadedMotoServer

    thread = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    thread.start()
    try:
        host, port = thread.get_host_and_port()
        s3_backends.reset()  # they outlive the server that was there before
        server = S3(f"http://{host}:{port}", bucket, None, provider="Other")
        with s3_client(server) as client:
            _make_bucket(client, bucket, locked=locked)
        yield server
    finally:
        thread.stop()


@contextmanager
def s3_client(server: S3) -> Iterator[Any]:
    """Amazon's own client, to ask a server what it has."""
    import boto3
    from botocore.config import Config

    client = boto3.client(
        "s3",
        endpoint_url=server.endpoint,
        aws_access_key_id=server.access_key,
        aws_secret_access_key=server.secret_key,
        region_name="us-east-1",
        config=Config(proxies={}),
    )
    try:
        yield client
    finally:
        client.close()


def _make_bucket(client: Any, bucket: str, *, locked: bool) -> None:
    client.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=locked)
    versioning = {"Status": "Enabled"}
    client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration=versioning)
    if locked:
        retention = {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 1}}
        lock = {"ObjectLockEnabled": "Enabled", "Rule": retention}
        client.put_object_lock_configuration(Bucket=bucket, ObjectLockConfiguration=lock)
