from pathlib import Path

from common.testing.runs import differences, start_workers
from common.testing.training import TrainingTests


class TestTraining(TrainingTests):
    task = Path(__file__).resolve().parents[1]
    scores = ["precision", "recall", "f1"]

    def test_two_workers_give_the_weights_of_one_process(self, make_config, call, tmp_path):
        config = make_config(tmp_path, train_lines=21, epochs=1, dropout=0.0)
        call(self.train, "--config", config, "--output", tmp_path / "one")
        workers = start_workers(self.task / "train.py", ["--config", config, "--output", "two"], tmp_path)
        assert [worker.wait() for worker in workers] == [0, 0]
        assert max(differences(tmp_path / "0/two", tmp_path / "one").values()) < 1e-5
        assert [path.name for path in (tmp_path / "1").iterdir()] == ["output.txt"]
        said = (tmp_path / "1/output.txt").read_text(encoding="utf-8")
        assert "worker 1 waits for worker 0 at localhost:" in said
        assert "finished" not in said
