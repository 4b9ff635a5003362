"""Real servers for the tests: the demo's own, and an S3 that keeps versions (moto's)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from appliance.demo.servers import S3, Https, Sshd, free_port, https, s3, sshd

__all__ = ["S3", "Https", "Sshd", "free_port", "https", "s3", "sshd", "versioned_s3"]


@contextmanager
def versioned_s3(bucket: str = "office") -> Iterator[S3]:
    """An S3 bucket in memory, with versioning switched on, in a thread of ours."""
    import boto3
    from botocore.config import Config
    from moto.server import ThreadedMotoServer

    thread = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    thread.start()
    try:
        host, port = thread.get_host_and_port()
        server = S3(f"http://{host}:{port}", bucket, None, provider="Other")
        client = boto3.client(
            "s3",
            endpoint_url=server.endpoint,
            aws_access_key_id=server.access_key,
            aws_secret_access_key=server.secret_key,
            region_name="us-east-1",
            config=Config(proxies={}),
        )
        client.create_bucket(Bucket=bucket)
        versioning = {"Status": "Enabled"}
        client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration=versioning)
        client.close()
        yield server
    finally:
        thread.stop()
