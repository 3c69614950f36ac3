"""Paths that may lie in a bucket: whether they can be written, asked before anything is trained, and whole files."""

import uuid
from importlib.util import find_spec

from etils import epath

from recgoat_jax.errors import MissingExtraError, UsageError


def check_writable(path: str, *, option: str) -> None:
    """Refuses a bucket path that cannot be written.

    Args:
        path: a directory, which is not looked at, or ``gs://BUCKET/...``.
        option: the option that named it, for the message.

    Raises:
        MissingExtraError: the package that reaches buckets is not installed.
        UsageError: no credentials, no such bucket, or no permission.
    """
    if not path.startswith("gs://"):
        if "://" in path:
            raise UsageError(f"{option} {path}: expected a directory, or gs://BUCKET/FOLDER.")
        return
    if find_spec("gcsfs") is None:
        raise MissingExtraError.of("gcsfs", extra="gcs")
    from google.auth import default
    from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError

    action = (
        "On Google Cloud give the machine's service account the role 'Storage Object Admin' on the bucket; elsewhere "
        "run 'gcloud auth application-default login'."
    )
    try:
        default()
        probe = epath.Path(path) / f".recgoat-{uuid.uuid4().hex}"
        probe.write_text("")
        probe.unlink()
    except (DefaultCredentialsError, GoogleAuthError) as error:
        raise UsageError(
            f"{option} {path}: found no credentials for Google Cloud ({str(error).splitlines()[0]}); expected "
            f"some that may write there. {action}"
        ) from error
    except OSError as error:
        raise UsageError(
            f"{option} {path}: cannot be written ({error}); expected a bucket with permission to write. {action}"
        ) from error


def write_whole(path: epath.Path, content: str) -> None:
    """Writes a text file, on disk or in a bucket, of which a reader never finds half.

    Args:
        path: the file; its directory is made when missing.
        content: its text.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    temporary.write_text(content)
    temporary.replace(path)


__all__ = ["check_writable", "write_whole"]
