# SPDX-License-Identifier: GPL-2.0-only
"""``s3://BUCKET/FOLDER``: with the keys, the region and the endpoint that AWS's tools take."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from lab.store.fsspec_place import FsspecPlace
from lab.store.place import Beat, PlaceError

_HINT = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or ~/.aws; AWS_ENDPOINT_URL where not Amazon"


class S3Place(FsspecPlace):
    """A bucket, or what begins alike in one."""

    def _filesystem(self) -> Any:
        try:
            from s3fs import S3FileSystem
        except ImportError:
            raise PlaceError(
                "s3:// needs more than is installed",
                f"{sys.executable} -m pip install 'lab[s3]'",
            ) from None
        timeouts = {"connect_timeout": self._stall_s, "read_timeout": self._stall_s}
        return S3FileSystem(
            skip_instance_cache=True,
            # What another machine put there a moment ago counts.
            use_listings_cache=False,
            config_kwargs={**timeouts, "retries": {"max_attempts": 2}},
        )

    @property
    def _root(self) -> str:
        return self._url.without_credentials.removeprefix("s3://").rstrip("/")

    @property
    def _hint(self) -> str:
        return _HINT

    def _require_folder(self) -> None:
        from botocore.exceptions import BotoCoreError

        bucket = self._root.partition("/")[0]
        try:
            self._fs.call_s3("head_bucket", Bucket=bucket)
        except FileNotFoundError:
            raise PlaceError(f"there is no bucket {bucket}", _HINT) from None
        except (BotoCoreError, PermissionError) as error:
            raise PlaceError(f"the bucket {bucket}: {error}", _HINT) from None

    def upload(self, source: Path, name: str, beat: Beat) -> None:
        """An object is there when all of it is."""
        from fsspec.callbacks import Callback

        class Beating(Callback):  # type: ignore[misc]
            def relative_update(self, inc: int = 1) -> None:
                beat(inc)

        self._fs.put_file(str(source), self._path(name), callback=Beating())

    def create(self, name: str, content: bytes) -> bool:
        """By ``If-None-Match: *``, which Amazon's and others' have had since 2024."""
        try:
            self._fs.pipe_file(self._path(name), content, mode="create")
        except FileExistsError:
            return False
        return True

    def _replace(self, beside: str, path: str) -> None:
        raise NotImplementedError

    def _give_name(self, beside: str, path: str) -> bool:
        raise NotImplementedError

    def _changed(self, info: dict[str, Any]) -> float:
        return float(info["LastModified"].timestamp())
