"""A data set on the Hugging Face Hub: looked at first, then changed in one commit.

`HfApi.upload_folder` is not used: with Xet it cuts a large folder into several commits, between which the data set is
half old and half new. `create_commit` with the looked-at revision as parent changes all of it at once, and fails
where somebody else changed it meanwhile. The token is found by huggingface_hub (HF_TOKEN or `hf auth login`).
"""

from __future__ import annotations

import contextlib
import re
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yisang.errors import UsageError, YisangError
from yisang.pipelines.publish_folder import PublicationManifest, Published, read_publication
from yisang.pipelines.rl_questions import VIEW as QUESTIONS
from yisang.pipelines.views import VIEWS

_HARMLESS = frozenset({".gitattributes", ".gitignore", "README.md", "LICENSE"})
"""What a new data set may hold before its first publication."""


class HubError(YisangError):
    """The Hub refused, failed or was not reached."""


@dataclass(frozen=True)
class Remote:
    """A data set as it was looked at. private: what was asked. closed: what it is. revision: None where it does not
    exist yet. old: the files that yisang put there.
    """

    repo: str
    private: bool
    closed: bool
    revision: str | None = None
    old: frozenset[str] = frozenset()


def check_name(repo: str) -> None:
    """Raises UsageError for what cannot be the name of a data set."""
    part = r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,94}[A-Za-z0-9_])?"
    if not re.fullmatch(f"{part}/{part}", repo) or re.search(r"--|\.\.|\.git$", repo):
        raise UsageError(f"--repo {repo!r} is no name of a data set on the Hub. Write it as user/name.")


def look(repo: str, what: Published, private: bool) -> Remote:
    """The data set as it is. Raises HubError where it may not be written, or holds something else."""
    with _explained(repo):
        found = _info(repo)
    if found is None:
        return Remote(repo, private, closed=private)
    _check_closed(repo, private, found.private)
    with _explained(repo):
        files = frozenset(_api().list_repo_files(repo, repo_type="dataset", revision=found.sha))
        manifest = _manifest(repo, found.sha) if "manifest.json" in files else None
    if manifest is None and files <= _HARMLESS:
        return Remote(repo, private, found.private, found.sha)
    if manifest is None or manifest.what != what:
        holds = f"a publication of {manifest.what}" if manifest else "files that yisang did not publish"
        raise HubError(
            f"{repo} exists and holds {holds}; this is {what}. Nothing was uploaded. Choose another --repo, or delete "
            "that one on the Hub."
        )
    ours = {file.path for file in manifest.files} | {"manifest.json"}
    ours |= {name for name in files if name.startswith(tuple(f"{view}/" for view in (*VIEWS, QUESTIONS)))}
    return Remote(repo, private, found.private, found.sha, files & ours)


def upload(remote: Remote, folder: Path, files: Sequence[str], message: str) -> str:
    """Creates the data set where there is none, puts all files in one commit, and returns the commit's address."""
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    operations: list[Any] = [CommitOperationAdd(name, folder / name) for name in files]
    operations += [CommitOperationDelete(name) for name in sorted(remote.old - set(files))]
    with _explained(remote.repo):
        if remote.revision is None:
            _api().create_repo(remote.repo, repo_type="dataset", private=remote.private)
        # Building took its time, and whether it is private is no part of a revision.
        found = _info(remote.repo)
        _check_closed(remote.repo, remote.private, found is not None and found.private)
        parent = remote.revision or (found.sha if found is not None else None)
        commit = _api().create_commit(
            remote.repo, operations, commit_message=message, repo_type="dataset", parent_commit=parent
        )
    return str(commit.commit_url)


def _check_closed(repo: str, private: bool, closed: bool) -> None:
    if private and not closed:
        raise HubError(
            f"{repo} is public on the Hub, and --private was asked: rows that may not be redistributed would leak. "
            "Nothing was uploaded. Make it private in its settings on the Hub, or choose another --repo."
        )


def _api() -> Any:
    from huggingface_hub import HfApi

    return HfApi(library_name="yisang")


def _info(repo: str) -> Any:
    """What the Hub says of a data set, None where there is none (or none that this token may see)."""
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        return _api().dataset_info(repo)
    except RepositoryNotFoundError as error:
        # 401 stands for "missing" too, but only when nobody is logged in.
        if error.response.status_code == 404:
            return None
        raise


def _manifest(repo: str, revision: str) -> PublicationManifest | None:
    with tempfile.TemporaryDirectory(prefix="yisang-") as folder:
        path = _api().hf_hub_download(repo, "manifest.json", repo_type="dataset", revision=revision, cache_dir=folder)
        return read_publication(Path(path))


@contextlib.contextmanager
def _explained(repo: str) -> Iterator[None]:
    """Failures of the Hub as a paragraph, in which the token never stands."""
    from huggingface_hub import get_token
    from huggingface_hub.errors import HfHubHTTPError

    token = get_token()
    if token is None:
        raise HubError(
            f"No Hub token was found, so {repo} cannot be written. Set HF_TOKEN, or log in once: hf auth login"
        )
    # Its parent is the HTTP library's own error, whichever library this version of huggingface_hub stands on.
    transport: type[Exception] = HfHubHTTPError.__mro__[1]
    try:
        yield
    except YisangError:
        raise
    except (transport, OSError, RuntimeError, ValueError) as error:
        raise HubError(_paragraph(repo, error).replace(token, "***")) from None


def _paragraph(repo: str, error: BaseException) -> str:
    # An upload's failure is wrapped once for each file.
    if isinstance(error, RuntimeError) and error.__cause__ is not None:
        error = error.__cause__
    said = " ".join(str(getattr(error, "server_message", None) or error).split())[:300]
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status is not None:
        return f"The Hub answered {status} for {repo}: {said}. {_advice(status)}"
    if isinstance(error, ValueError | RuntimeError):
        return (
            f"The Hub and huggingface_hub did not agree on {repo}: {said}. Nothing was committed; please report this."
        )
    return (
        f"The Hub was not reached for {repo} ({type(error).__name__}: {said}). Check the network and HF_ENDPOINT, then "
        "run the same command again."
    )


def _advice(status: int) -> str:
    """What to do about a status. Only after 5xx may a commit have been made whose answer was lost."""
    if status >= 500:
        return "The Hub failed. Wait some minutes and run the same command again; it commits only what differs."
    known = {
        401: "The token is missing, wrong or expired: set HF_TOKEN, or log in again with hf auth login.",
        403: "The token may not write there: use one with write access to that user or organisation, or another --repo.",
        404: "It is gone, or the token may not see it. Check the name and the token.",
        409: "It was created or changed by somebody else meanwhile. Run the same command again.",
        412: "It was changed by somebody else meanwhile. Look at what changed, then run the same command again.",
        429: "Too many requests. Wait some minutes and run the same command again.",
    }
    return f"Nothing was committed. {known.get(status, 'Run the same command again, and report this if it stays.')}"
