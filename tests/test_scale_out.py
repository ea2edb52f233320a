"""Tests of prediction by workers, without a model: the result is that of one process, whatever happens to them.

If Ray is installed, the same is tested with actors on a cluster of two nodes, which is started here.
"""

import argparse
import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest

from common.cli import UserError
from common.scale_out import predicted

SIZE = 3


def load(args):
    """Return a predictor that multiplies its inputs by --factor and logs them. Some words make something go wrong."""
    if args.factor == 0:
        raise UserError("no factor")

    def predict(inputs):
        for word in inputs:
            with open(args.log, "a") as log:
                log.write(f"{word!a}\n")
            if word == "interrupt":
                os.kill(os.getppid(), signal.SIGINT)
                time.sleep(60)
            if word == "kill" or (word == "kill once" and Path(args.log).read_text().count("kill once") == 1):
                os.kill(os.getpid(), signal.SIGKILL)
            if word == "slow":
                time.sleep(0.5)
            yield {"word": word, "by": word * args.factor if word != "fault" else 1 / 0}

    return predict


@pytest.fixture
def args(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "weights").write_text("1")
    files = {"model": str(tmp_path / "run"), "output": str(tmp_path / "out.json"), "log": str(tmp_path / "log")}
    return argparse.Namespace(**files, workers=2, ray=None, factor=2)


@pytest.fixture(scope="module")
def cluster():
    """Start a cluster of two nodes and return its address."""
    pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")  # else the head node reports to the makers of Ray
        cluster = Cluster()
        for _ in range(2):
            cluster.add_node(num_cpus=1, include_dashboard=False)
        yield cluster.address
        cluster.shutdown()


@pytest.fixture(params=["processes", "actors"])
def anywhere(request, args):
    """Return the arguments for either kind of workers."""
    if request.param == "actors":
        args.workers, args.ray = None, request.getfixturevalue("cluster")
    return args


def run(args, inputs):
    with predicted(load, args, inputs, SIZE) as predictions:
        return list(predictions)


def expected(args, inputs):
    return [{"word": word, "by": word * args.factor} for word in inputs]


def logged(args):
    return Path(args.log).read_text().split("\n")[:-1]


def blocks(args):
    return sorted(path.name[:8] for path in Path(f"{args.output}.blocks").glob("*"))


def test_one_process_has_no_blocks(args):
    args.workers = None
    assert run(args, range(7)) == expected(args, range(7))
    assert not Path(f"{args.output}.blocks").exists()


def test_all_predictions_in_order_though_a_worker_is_killed(anywhere, capfd):
    inputs = ["slow", *range(7), "kill once", "何\ud800", *range(20)]
    assert run(anywhere, iter(inputs)) == expected(anywhere, inputs)
    assert logged(anywhere).count("'slow'") == 1
    assert "trying again: inputs 7 to 9" in capfd.readouterr().err
    assert not Path(f"{anywhere.output}.blocks").exists()


def test_holds_few_blocks_whatever_the_number_of_inputs(args):
    """It holds one block for each worker, and the next one."""
    blocks, read = args.workers + 1, 0

    def inputs():
        nonlocal read
        for read in range(1, 31):
            assert read <= (len(list(Path(f"{args.output}.blocks").glob("0*"))) + blocks) * SIZE
            yield read

    assert len(run(args, inputs())) == 30


def test_a_block_that_kills_its_workers_is_one_error(anywhere, capfd):
    with pytest.raises(SystemExit) as exit:
        run(anywhere, [0, 1, 2, "kill", 4, 5])
    assert exit.value.code == 1
    *_, error = capfd.readouterr().err.strip().split("\n")
    assert error.startswith("error: inputs 4 to 6: 3 workers were lost (the last: ")
    assert logged(anywhere).count("'kill'") == 3


def test_a_mistake_of_the_user_and_a_fault_are_what_they_are_in_one_process(anywhere):
    def lines():
        yield from range(10)
        raise UserError("input.json, line 11: not JSON")

    with pytest.raises(UserError, match="^input.json, line 11: not JSON$"):
        run(anywhere, lines())
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        run(anywhere, ["fault"])
    anywhere.factor = 0
    with pytest.raises(UserError, match="^no factor$"):
        run(anywhere, range(4))
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize("address", ["127.0.0.1:1", "127.0.0.1:99999", "nowhere.invalid:6379"])
def test_a_cluster_that_is_not_there(args, address):
    pytest.importorskip("ray")
    args.ray = address
    with pytest.raises(UserError, match=f"^--ray {address}: no Ray cluster found"):
        run(args, range(4))


@pytest.fixture
def interruptible():
    """Make SIGINT raise an exception, even if the tests run in the background of a shell, where it is ignored."""
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, handler)


def test_goes_on_after_ctrl_c(args, capfd, interruptible):
    args.workers = 1
    with pytest.raises(KeyboardInterrupt):
        run(args, [*range(6), "interrupt"])
    assert multiprocessing.active_children() == []
    assert capfd.readouterr().err == ""
    assert blocks(args) == ["00000000", "00000001"]
    done = len(logged(args))
    assert run(args, range(8)) == expected(args, range(8))
    assert logged(args)[done:] == ["6", "7"]


@pytest.mark.parametrize("change", ["input", "model", "options", "nothing"])
def test_blocks_made_with_something_else_are_made_anew(change, args):
    args.workers = 1
    with pytest.raises(RuntimeError):
        run(args, [0, 1, 2, 3, 4, 5, "fault"])
    if change == "model":
        Path(args.model, "weights").write_text("2")
    if change == "options":
        args.factor = 3
    args.output = str(Path(args.model).parent / "." / "out.json")  # the same file by another name
    inputs = [9 if change == "input" else 0, 1, 2, 3, 4, 5]
    done = len(logged(args))
    assert run(args, inputs) == expected(args, inputs)
    assert len(logged(args)) - done == {"input": 3, "nothing": 0}.get(change, 6)
