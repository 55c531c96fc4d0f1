"""Checks on what a model's vocabulary reads: scripts that it is said to read, and a user's own texts."""

from __future__ import annotations

from collections.abc import Sequence

from youtu_st.inference.stock import preprocessor_for
from youtu_st.inference.unread import NOTED
from youtu_st.spec.languages import script_of, smallest_that_reads
from youtu_st.verification.finding import Finding, judge
from youtu_st.verification.subject import Subject

SENTENCES = (
    "The weather is lovely today, so we are going to the park.",
    "今天天气很好，我们去公园吧。",
    "今日はとてもいい天気なので、公園へ行きましょう。",
    "오늘은 날씨가 좋아서 공원에 갑니다.",
    "Сегодня хорошая погода, и мы идём в парк.",
    "Ο καιρός είναι ωραίος σήμερα και πάμε στο πάρκο.",
    "الطقس جميل اليوم، لذلك سنذهب إلى الحديقة.",
    "מזג האוויר נעים היום ואנחנו הולכים לפארק.",
    "आज मौसम अच्छा है, इसलिए हम बगीचे में जा रहे हैं।",
    "วันนี้อากาศดี เราจะไปสวนสาธารณะกัน",
)
"""One sentence in each of ten scripts."""


def check_vocabulary(subject: Subject, sample: Sequence[tuple[int, str]] = ()) -> list[Finding]:
    """Whether sentences are read in each script that the spec says is read, and a sample of texts.

    Of a model without a spec nothing says what it should read; which scripts it does is shown.

    Args:
        subject: The model.
        sample: Texts of a user, each with its line.
    """
    shares = {
        script_of(text): share for text, share in zip(SENTENCES, _unread(subject, SENTENCES), strict=True)
    }
    unread = sorted(script for script, share in shares.items() if share >= NOTED)
    said = [] if subject.spec is None else sorted(script for script in shares if subject.spec.reads(script))
    found = f"reads {len(shares) - len(unread)} of {len(shares)} scripts"
    found += f", not {', '.join(unread)}" if unread else ""
    expected = f"all {len(shares)}" if len(said) == len(shares) else ", ".join(said)
    remedy = "The tokenizer's files are another model's, or damaged: take them from the model's repository."
    findings = [judge("vocabulary", not {*said} & {*unread}, found, expected, remedy)]
    return [*findings, _sample(subject, sample)] if sample else findings


def _sample(subject: Subject, sample: Sequence[tuple[int, str]]) -> Finding:
    shares = _unread(subject, [text for _, text in sample])
    bad = [(line, text, share) for (line, text), share in zip(sample, shares, strict=True) if share >= NOTED]
    if not bad:
        return judge("your texts", True, f"all {len(sample)} are read")
    line, text, share = bad[0]
    script = script_of(text)
    better = smallest_that_reads(script)
    remedy = (
        f"{better.name} is the smallest model in the catalogue that reads {script} script." if better else ""
    )
    found = f"{len(bad)} of {len(sample)} are not read; of line {line}, {share:.0%} is unknown"
    return Finding("your texts", "off", found, f"less than {NOTED:.0%}", remedy)


def _unread(subject: Subject, texts: Sequence[str]) -> list[float]:
    rows = preprocessor_for(subject.model).tokenize(texts, [""] * len(texts))
    return [row.unknown for row in rows]
