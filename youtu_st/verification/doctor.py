"""The doctor: does a model do what is known about it? Needs no data, and no weights that are right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from transformers import PreTrainedTokenizerBase

from youtu_st.probes import SHORT
from youtu_st.verification.behaviour import Behaviour
from youtu_st.verification.finding import Finding
from youtu_st.verification.published import Score, check_published
from youtu_st.verification.sample import Sample, sample_of
from youtu_st.verification.settings import check_settings
from youtu_st.verification.subject import Subject, load_subject
from youtu_st.verification.vocabulary import check_vocabulary


@dataclass(frozen=True, slots=True)
class Examination:
    """What the doctor found.

    Attributes:
        subject: What was examined.
        findings: One for each check, in the order in which they are read.
        samples: A few texts token by token; none for a model that does not show its tokens.
        scores: Published figures beside those that are found here.
    """

    subject: Subject
    findings: tuple[Finding, ...]
    samples: tuple[Sample, ...]
    scores: tuple[Score, ...]

    @property
    def faults(self) -> tuple[Finding, ...]:
        """The findings that are off."""
        return tuple(finding for finding in self.findings if finding.state == "off")


def examine(
    model: str | Path | Subject,
    *,
    checkpoint: str | Path | None = None,
    data: str | Path | None = None,
    sample: Sequence[tuple[int, str]] = (),
    trust_remote_code: bool = False,
) -> Examination:
    """Look a model over, and do not stop at the first fault.

    Args:
        model: A name, a directory, a hub id or a spec's YAML file, as for :func:`youtu_st.load`; or what
            :func:`load_subject` has loaded.
        checkpoint: Weights for a name or a YAML file. A directory that names its modules in ``modules.json``
            is examined as it is, and held against the spec.
        data: A directory of public data sets, for figures that were published on them; None: these are
            skipped.
        sample: Texts that the model is for, each with its line: its vocabulary must read them.
        trust_remote_code: Run code that the checkpoint brings.

    Raises:
        YoutuError: If nothing can be loaded at all, or ``data`` does not hold what it must.
    """
    subject = model
    if not isinstance(subject, Subject):
        subject = load_subject(subject, checkpoint=checkpoint, trust_remote_code=trust_remote_code)
    behaviour = Behaviour(subject)
    findings = [*check_settings(subject), *check_vocabulary(subject, sample), *behaviour.findings()]
    scores: list[Score] = []
    if subject.spec is not None and behaviour.is_finite:
        published, scores = check_published(subject.model, subject.spec, data)
        findings += published
    shows = (
        behaviour.has_tokens
        and behaviour.is_finite
        and isinstance(subject.model.tokenizer, PreTrainedTokenizerBase)
    )
    samples = tuple(sample_of(subject.model, role, text) for role, text in SHORT) if shows else ()
    return Examination(subject, tuple(findings), samples, tuple(scores))
