"""Fixed texts for examining and comparing models: many languages, and what servers like to change."""

from __future__ import annotations

QUERIES = (
    "What is the capital of France?",
    "北京的天气怎么样？",
    "東京駅から成田空港までどうやって行きますか。",
    "ما هي أعراض نقص فيتامين د؟",
    " how do I renew my passport",
    "Welche Pflanzen\nvertragen viel Schatten?",
    "What does 🦀 mean in a commit message?",
    "def fibonacci(n: int) -> int:",
)
DOCUMENTS = (
    "Paris is the capital and the largest city of France.",
    "北京今天晴，最高气温二十六度，傍晚有微风。",
    "成田エクスプレスを使えば、東京駅から約一時間で到着します。",
    "يسبب نقص فيتامين د التعب وآلام العظام وضعف العضلات.",
    "To renew a passport:\n\n1. Fill in form DS-82.\n2. Enclose two photographs.\n3. Send both by post.",
    "Farne, Funkien und Efeu gedeihen auch dort, wo kaum Sonne hinkommt 🌿🌱.",
    "def fibonacci(n):\n    a, b = 0, 1\n    for _ in range(n):\n        a, b = b, a + b\n    return a\n",
    " ".join(
        f"Item {number}: the committee met, and put it off again. 第{number}项：委员会听取报告后再次推迟。"
        for number in range(1, 26)
    ),
)
"""The last one is long: beyond the 256 or 512 tokens that some servers stop at unless told otherwise, and
within the 2,000 characters that Tencent Cloud takes."""

SHORT = (("query", QUERIES[0]), ("query", QUERIES[1]), ("document", DOCUMENTS[0]), ("document", DOCUMENTS[1]))
"""Role and text of those that are shown token by token."""
