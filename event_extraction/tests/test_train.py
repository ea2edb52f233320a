from pathlib import Path

from common.testing.training import TrainingTests


class TestTraining(TrainingTests):
    task = Path(__file__).resolve().parents[1]
    scores = ["precision", "recall", "f1", "f1_lcs"]
