from pathlib import Path

from common.testing.training import TrainingTests


class TestTraining(TrainingTests):
    task = Path(__file__).resolve().parents[1]
    scores = ["F1", "EM"]
    best_by = "F1"
    has_schema = False
