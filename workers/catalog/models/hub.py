"""A model from the Hugging Face hub, at one commit, if the operator of the worker allows its repository."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from workers.catalog.model import Unsupported
from workers.catalog.models import pretrained
from workers.catalog.models.pretrained import Checkpoint, Task


class Hub(Checkpoint):
    name: Literal["hub"] = "hub"
    title = "Model from the hub"
    summary = "A repository of the Hugging Face hub at one commit; safetensors only, allowed by the worker's operator."

    repository: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,95}(\.[A-Za-z0-9_-]{1,95}){0,8}/[A-Za-z0-9_-]{1,95}(\.[A-Za-z0-9_-]{1,95}){0,8}$",
        max_length=200,
        description="organisation/name, as the hub's address ends.",
    )
    revision: str = Field(
        pattern=r"^[0-9a-f]{40}$",
        description="The commit, 40 hexadecimal digits, from the page Files and versions; a branch would move.",
    )
    task: Task = "decoder"

    @property
    def label(self) -> str:
        return f"{self.repository}@{self.revision[:7]}"

    def locate(self) -> Path:
        """The commit's files, as they are stored on this machine or else fetched.

        Raises:
            Unsupported: the operator did not allow the repository, or it cannot be had.
        """
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import (
            GatedRepoError,
            HfHubHTTPError,
            LocalEntryNotFoundError,
            RepositoryNotFoundError,
            RevisionNotFoundError,
        )

        pretrained.check_allowed(self.repository)
        try:
            return Path(
                snapshot_download(
                    self.repository,
                    revision=self.revision,
                    allow_patterns=["*.json", "*.safetensors"],
                    ignore_patterns=["*/*"],
                    token=False,  # Whoever submits a study must not read with the operator's own account.
                )
            )
        except GatedRepoError as error:
            raise Unsupported(
                f"{self.repository} is gated: its licence must be accepted on the hub, and this worker has no access."
            ) from error
        except RepositoryNotFoundError as error:
            raise Unsupported(f"The hub has no public repository {self.repository}.") from error
        except RevisionNotFoundError as error:
            raise Unsupported(f"{self.repository} has no commit {self.revision}.") from error
        except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
            raise Unsupported(
                f"{self.repository} is not stored on this worker, and the hub cannot be reached: {type(error).__name__}."
            ) from error
