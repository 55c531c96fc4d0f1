"""Starting a finished job again: nothing is left to do, and how long it takes to see that.

python -m scaling.restarts OUT

says so of the job in OUT, as JSON.
"""

from __future__ import annotations

import io
import json
import sys
import time
from contextlib import redirect_stderr, redirect_stdout

from scaling import inputs, results
from scaling.contestants import embed
from scaling.processes import Failed, run
from scaling.stage import Figures, Stage
from scaling.tiny import tiny_model
from youtu_st.cli import main as command

SHARDS, ROWS = 1000, 4
TOKENS_OF_A_ROW = 6
"""As a job's plan estimates them, of the texts of `inputs.short_texts`."""
RESTART = "embed OUT"


def restart(stage: Stage) -> dict[str, list[Figures]]:
    """Of a job with 1,000 shards."""
    count = stage.count(SHARDS) * ROWS
    source = inputs.write(stage.folder / "small-shards", inputs.short_texts(count), count, files=1)
    model, out = tiny_model(stage.folder / "restart-model", 32), stage.folder / "finished"
    tokens = str(TOKENS_OF_A_ROW * ROWS)
    run(embed(source, out, model, "--shard-tokens", tokens), stage.folder / "finished.log")
    shards = len(results.files_of(out))

    def play() -> Figures:
        with stage.scratch() as folder:
            ran = run([sys.executable, "-m", "scaling.restarts", str(out)], folder / "log")
            said: Figures = json.loads(ran.said.strip().splitlines()[-1])
            if said["torch"]:
                raise Failed("a model's library was loaded to see that nothing is left to do")
            return {**said, "shards": shards, "with_start_s": ran.seconds}

    return stage.take_turns({RESTART: play})


def main(out: str) -> None:
    def once() -> float:
        began = time.perf_counter()
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()) as said:
            code = command(["embed", out])
        if code:
            raise SystemExit(f"embed ended with code {code}: {said.getvalue()}")
        return time.perf_counter() - began

    first, again = once(), once()  # the first one imports
    print(json.dumps({"restart_s": again, "first_s": first, "torch": "torch" in sys.modules}))


if __name__ == "__main__":
    main(*sys.argv[1:])
