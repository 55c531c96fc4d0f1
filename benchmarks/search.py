"""Search by meaning, by words and by both: quality on whole data sets, kinds of words, and milliseconds.

python ../shared/tools/real_e5_small.py e5     # a real multilingual model, for the second half of the table
python benchmarks/search.py --part quality --e5 e5
python benchmarks/search.py --part words       # pairs, trigrams, and jieba where it is installed
python benchmarks/search.py --part speed       # 100,000 documents, three modes, with and without a filter
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from finding import quality, speed, words
from finding.data import SETS


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--part", choices=["quality", "words", "speed"], default=None, help="one of them")
    parser.add_argument("--models", nargs="+", default=["minilm", "e5-small"])
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--e5", type=Path, help="a checkpoint of multilingual-e5-small")
    parser.add_argument("--cache", type=Path, help="keeps vectors from one run to the next")
    parser.add_argument("--weights", nargs="*", type=float, default=[], help="more shares of meaning to try")
    parser.add_argument("--documents", type=int, default=100_000)
    parser.add_argument("--times", type=int, default=100, help="searches of which the median is told")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        cache = asked.cache or Path(folder)
        cache.mkdir(parents=True, exist_ok=True)
        if asked.part in (None, "quality"):
            models = [model for model in asked.models if model != "e5-small" or asked.e5]
            print(quality.table(models, asked.sets, cache, asked.e5, asked.weights))
        if asked.part in (None, "words"):
            print(words.table(asked.sets))
        if asked.part in (None, "speed"):
            print(speed.report(asked.documents, asked.times))


if __name__ == "__main__":
    main()
