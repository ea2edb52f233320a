"""Write the tables of scores in the READMEs.

    python docs/scores.py            # take the scores of the finished runs and write the tables
    python docs/scores.py --train    # first train what has not finished, on the official data in data/ (hours)

`scores.json` lists the runs. The run folder of each is runs/scores/TASK/NAME. If a run has finished, its scores replace
those in `scores.json`. The other rows stay as they are.
"""

import argparse
import os
import platform
import re
import subprocess
import sys
from datetime import date
from itertools import groupby
from pathlib import Path
from typing import Any

from common.cli import UserError, run_command
from common.files import atomic_write, read_json, write_json

REPOSITORY = Path(__file__).resolve().parents[1]
SCORES = REPOSITORY / "docs" / "scores.json"
TABLE = re.compile(r"(?<=<!-- scores -->\n).*?(?=<!-- end of scores -->)", re.DOTALL)

Run = dict[str, Any]  # task, config, set (keys and values of the config), scores, machine, date

# The titles of the main READMEs, and for each task its metric with the dev set, and what was trained on.
ENGLISH = {
    "titles": ("task", "trained on", "epochs", "head", "fresh", "bundled"),
    "relation_extraction": (
        "relation extraction: F1 on 8,000 lines of dev",
        "17,858 lines of DuIE 2.0 (a tenth of train)",
    ),
    "event_extraction": ("event extraction: F1 on 700 lines of dev", "11,958 lines of DuEE 1.0 (all of train)"),
    "reading_comprehension": (
        "reading comprehension: F1 (EM) on 700 questions of DuReader-robust's dev",
        "10,142 questions of CMRC 2018",
    ),
}
CHINESE = {
    "titles": ("任务", "训练数据", "训练轮数", "输出头", "fresh", "bundled"),
    "relation_extraction": ("关系抽取：验证集中的 8,000 行，F1", "DuIE 2.0 的 17,858 行（训练集的十分之一）"),
    "event_extraction": ("事件抽取：验证集中的 700 行，F1", "DuEE 1.0 的 11,958 行（完整训练集）"),
    "reading_comprehension": (
        "阅读理解：DuReader-robust 验证集中的 700 个问题，F1 (EM)，百分制",
        "CMRC 2018 的 10,142 个问题",
    ),
}


def main() -> None:
    args = parse_arguments()
    runs = read_json(SCORES)
    for run in runs:
        if args.train:
            train(run)
        take_scores(run, folder_of(run))
    write_json(SCORES, runs)
    for path, table in tables(runs).items():
        write_table(path, table)
        print(path.relative_to(REPOSITORY))


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", action="store_true", help="train the runs that have not finished")
    return parser.parse_args()


def folder_of(run: Run) -> Path:
    name = f"{Path(run['config']).stem}-{run['set']['head']}-{run['set']['epochs']}"
    return REPOSITORY / "runs" / "scores" / run["task"] / name


def train(run: Run) -> None:
    """Train a run to its end, from where it was stopped. A finished one stays as it is."""
    keys = [f"{key}={value}" for key, value in run["set"].items()]
    script = Path(run["task"]) / "train.py"
    command = [script, "--config", run["config"], "--output", folder_of(run), "--set", *keys]
    if subprocess.run([sys.executable, *map(str, command)], cwd=REPOSITORY).returncode:
        raise UserError(f"{folder_of(run)}: the training has failed, see above")


def take_scores(run: Run, folder: Path) -> None:
    """Put the dev scores of a finished run into its row, with this machine and the day on which it finished."""
    metrics = folder / "metrics.json"
    if metrics.exists():
        run["scores"] = read_json(metrics)["dev"]
        run["machine"] = machine()
        run["date"] = str(date.fromtimestamp(metrics.stat().st_mtime))


def machine() -> str:
    """Say how many cores this machine has, and of what kind."""
    info = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*: (.*)", info.read_text(encoding="utf-8")) if info.exists() else None
    return f"{os.cpu_count()} cores of {found[1].strip() if found else platform.processor()}"


def tables(runs: list[Run]) -> dict[Path, str]:
    """Make the table of each document."""
    made = {
        REPOSITORY / "README.md": overview(runs, ENGLISH),
        REPOSITORY / "README.zh.md": overview(runs, CHINESE),
    }
    for task, of_task in groupby(runs, lambda run: run["task"]):
        made[REPOSITORY / task / "README.md"] = details(list(of_task))
    return made


def overview(runs: list[Run], words: dict[str, tuple[str, ...]]) -> str:
    """Make the table of a main README. It has what was trained with the fresh and with the bundled encoder."""
    rows = [words["titles"]]
    last = None
    for (task, head, epochs), group in groupby(
        runs, lambda run: (run["task"], run["set"]["head"], run["set"]["epochs"])
    ):
        cells = {run["config"]: in_short(run["scores"]) for run in group}
        if len(cells) == 2:
            about = ("", "") if task == last else words[task]
            rows.append((*about, epochs, head, cells["small.json"], f"**{cells['bundled.json']}**"))
            last = task
    return markdown(rows)


def in_short(scores: dict[str, float]) -> str:
    return f"{scores['F1']:.1f} ({scores['EM']:.1f})" if "EM" in scores else f"{scores['f1']:.3f}"


def details(runs: list[Run]) -> str:
    """Make the table of a task's README: a row for each run."""
    names = (
        {"F1": "F1", "EM": "EM"}
        if "EM" in runs[0]["scores"]
        else {"precision": "precision", "recall": "recall", "f1": "F1"}
    )
    rows = [("config", "head", "epochs", *names.values(), "measured")]
    for run in runs:
        scores = (f"{run['scores'][name]:.{2 if 'EM' in names else 3}f}" for name in names)
        when = f"{run['date']}, {run['machine']}"
        rows.append((f"`{run['config']}`", run["set"]["head"], run["set"]["epochs"], *scores, when))
    return markdown(rows)


def markdown(rows: list[tuple[Any, ...]]) -> str:
    """Format rows as a table. The first one has the titles."""
    lines = [rows[0], ("---",) * len(rows[0]), *rows[1:]]
    return "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)


def write_table(path: Path, table: str) -> None:
    """Put a table between the markers of a document."""
    text = path.read_text(encoding="utf-8")
    if not TABLE.search(text):
        raise UserError(f"{path}: expected the lines <!-- scores --> and <!-- end of scores -->")
    with atomic_write(path) as file:
        file.write(TABLE.sub(lambda _: table, text))


if __name__ == "__main__":
    run_command(main)
