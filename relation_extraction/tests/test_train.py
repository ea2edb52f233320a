from pathlib import Path

import pytest

from common import training
from common.testing.runs import differences, start_workers
from common.testing.training import TrainingTests


class TestTraining(TrainingTests):
    task = Path(__file__).resolve().parents[1]
    scores = ["precision", "recall", "f1"]

    @pytest.mark.slow
    def test_two_workers_finish_a_run_as_one_process_does(self, make_config, call, tmp_path, monkeypatch):
        """The run was stopped after its first epoch. The workers resume it in its folder, which they share."""
        config = make_config(tmp_path, train_lines=21, epochs=2, dropout=0.0)
        call(self.train, "--config", config, "--output", tmp_path / "one")

        def stop(*_):
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(training, "write_history", stop)
            with pytest.raises(SystemExit, match="130"):
                call(self.train, "--config", config, "--output", tmp_path / "two")
        (tmp_path / "temporary").mkdir()
        monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
        arguments = ["--config", config, "--output", tmp_path / "two"]
        workers = start_workers(self.task / "train.py", arguments, tmp_path)
        assert [worker.wait() for worker in workers] == [0, 0]
        assert max(differences(tmp_path / "two", tmp_path / "one").values()) < 1e-5
        chief, other = ((tmp_path / f"{i}/output.txt").read_text(encoding="utf-8") for i in (0, 1))
        assert "resuming after 1 epochs" in chief
        assert f"finished: {tmp_path / 'two'}" in chief
        assert "worker 1 waits for worker 0 at localhost:" in other
        assert f"instead of {tmp_path / 'two'}" in other
        assert "finished" not in other
        assert not any((tmp_path / "temporary").iterdir())
