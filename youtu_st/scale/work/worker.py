"""Worker: shards from their rows to their files, one stream of texts through one encoder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from youtu_st.errors import ModelLoadError
from youtu_st.probes import PROBE_TEXTS
from youtu_st.protocol import TextEncoder
from youtu_st.scale.encoders import make, not_minding_length, splitter_for
from youtu_st.scale.input.reading import Reader
from youtu_st.scale.job.folder import JobFolder
from youtu_st.scale.pools.events import Failed, Finished
from youtu_st.scale.settings import BadRows, Making
from youtu_st.scale.work.encoding import Asked
from youtu_st.scale.work.shift import Shift


class Worker:
    """One encoder, and one job whose shards it encodes.

    Args:
        folder: The job's.
        making: What the encoder is made from.
        bad_rows: ``error``: a bad row is the end of its shard; ``skip``: it is left out, and written down.
        encoder: One that is there already; None: it is made.

    Raises:
        ModelLoadError: If the encoder is not the one that the job was begun with: the message lists what
            differs.
        YoutuError: If there is no job, the encoder cannot be made, or does not take what the job asks for.
    """

    def __init__(
        self,
        folder: Path,
        making: Making,
        *,
        bad_rows: BadRows = "error",
        encoder: TextEncoder | None = None,
    ) -> None:
        self.folder = JobFolder.open(folder)
        job = self.folder.job
        encoder = make(making) if encoder is None else encoder
        self.asked = Asked(encoder, job.task, together=max(shard.rows for shard in job.shards))
        with not_minding_length(encoder):
            others = job.encoder.differences(encoder, what="job")
            if not others:
                self.asked.encode([PROBE_TEXTS[0]])  # what it does not take is no row's fault
        if others:
            raise ModelLoadError(
                f"the encoder is another than the one that the job was begun with ({encoder.model_name}, "
                f"that was {job.encoder.model}): {'; '.join(others)}"
            )
        self.bad_rows = bad_rows
        self.reader = Reader(job.files, job.columns, job.schema, splitter_for(encoder, job.files))
        self.reading = ThreadPoolExecutor(1, "youtu-st-reading")
        self.writing = ThreadPoolExecutor(1, "youtu-st-writing")

    def run(
        self, shards: Iterator[int | None], began: Callable[[int], None] = lambda shard: None
    ) -> Iterator[Finished | Failed]:
        """Encode shards, as they come.

        Texts are read ahead of the network, over the ends of shards: the next shard is asked for when the
        last one was read, some blocks before it is done.

        Args:
            shards: Numbers of shards. None: there is none now, and whatever is under way is to be finished
                before the next one is asked for; it may then wait for a moment, and give None again.
            began: Told when it is a shard's turn: what happens from here on is its doing.

        Yields:
            What became of each shard, once it is in its place. One that another living process has is waited
            for, and done if it lets go of it.
        """
        return Shift(self, shards, began).run()

    def close(self) -> None:
        """Let go of the files that are open, and of the threads."""
        self.reading.shutdown()
        self.writing.shutdown()
        self.reader.close()
