"""A run that was stopped and goes on ends as if it had never stopped, bit by bit."""

import os
from types import SimpleNamespace

import pytest
import torch

from dmlviz import datasets, losses, methods, models, synthesis, training
from dmlviz.training import checkpoint as checkpoints
from dmlviz.training import files

CLASSES, EPOCHS, STEPS = 12, 4, 3


class Noisy(torch.utils.data.Dataset):
    """Feature vectors around a centre per class, with fresh noise at every look."""

    def __init__(self, seed=0, noise=0.3):
        generator = torch.Generator().manual_seed(seed)
        self.targets = torch.arange(CLASSES).repeat_interleave(8)
        centres = torch.randn(CLASSES, 16, generator=generator)
        self.x = centres[self.targets] + torch.randn(96, 16, generator=generator)
        self.name, self.noise = "noisy", noise
        self.classes = [f"{seed} {c}" for c in range(CLASSES)]

    def __len__(self):
        return len(self.targets)

    def __getitem__(self, i):
        return self.x[i] + self.noise * torch.randn(16), int(self.targets[i])


class Bars(datasets.ContinuousDataset):
    """Pictures of a bar; the label is where it stands. All of a batch may be mirrored."""

    name, unit, smallest_distance, flips = "bars", "pixels", 0.1, True

    def __init__(self):
        super().__init__("train", torch.nn.Identity())

    def __len__(self):
        return 60

    def __getitem__(self, i):
        x = torch.randn(1, 8, 8) * 0.1
        x[:, :, i % 8] += 1 + i / 60
        return x, i

    def _distances(self, rows, other, columns):
        return (rows[:, None] % 8 - columns[None] % 8).abs().float()


def head(seed=0):
    return models.EmbeddingNet("identity", 8, in_channels=16, seed=seed)


def proxy_loss():
    return losses.ProxyAnchorLoss(CLASSES, 8)


def generated():
    generator = synthesis.NovelClassGenerator(8, 4)
    return synthesis.GeneratedClasses(generator, synthesis.Mixtures(), 3)


def source():
    model = head(seed=7)
    model.head.bias.data += 0.1  # so that it does not count as untrained
    return model


METHODS = {
    "random batches": lambda: methods.Supervised(proxy_loss()),
    "balanced batches": lambda: methods.Supervised(losses.TripletLoss()),
    "generator": lambda: methods.NovelClasses(proxy_loss(), generated(), warmup_steps=5),
    "memory": lambda: methods.NovelClasses(proxy_loss(), synthesis.MemVir(2, 2, warmup_steps=1)),
    "mixing": lambda: methods.NovelClasses(proxy_loss(), synthesis.ProxySynthesis()),
    "transfer": lambda: methods.EmbeddingTransfer(source(), losses.RelaxedContrastiveLoss()),
    "transfer, CRD": lambda: methods.EmbeddingTransfer(
        source(), losses.CRDLoss(16, 16, Noisy().targets, size=4, negatives=6)
    ),
}


def train(method, path=None, *, model=None, data=None, **options):
    """One training run; the model, and all that must be the same however often it was stopped."""
    model = model or head()
    data = data or Noisy()
    settings = {
        "epochs": EPOCHS, "batch_size": 32, "lr": 1e-2, "proxy_lr_multiplier": 2.0,
        "progress": False, "device": "cpu", "val": Noisy(seed=1, noise=0), "snapshot_size": 10,
    }  # fmt: skip
    history = training.fit(model, method, data, checkpoint=path, **settings | options)
    records = [{k: v for k, v in r.items() if k != "seconds"} for r in history.records]
    tensors = [*_tensors(model.state_dict()), *_tensors(method.state_dict())]
    tensors += [s.embeddings for s in history.snapshots]
    return SimpleNamespace(history=history, records=records, tensors=tensors)


def _tensors(value):
    """All tensors in a state, however deep."""
    if isinstance(value, torch.Tensor):
        return [value]
    parts = value.values() if isinstance(value, dict) else value
    return [t for p in parts for t in _tensors(p)] if isinstance(value, dict | list) else []


def stopping(method, step):
    """The method, which is interrupted in its `step`-th step."""
    method.calls, forward = 0, method.forward

    def interrupted(model, batch):
        method.calls += 1
        if method.calls == step:
            raise KeyboardInterrupt
        return forward(model, batch)

    method.forward = interrupted
    return method


def same(a, b):
    assert a.records == b.records
    assert a.history.best_epoch == b.history.best_epoch
    assert len(a.tensors) == len(b.tensors)
    assert all(torch.equal(x, y) for x, y in zip(a.tensors, b.tensors, strict=True))


@pytest.mark.parametrize("name", METHODS)
def test_interrupted_in_mid_epoch_and_resumed_is_as_if_never_stopped(name, tmp_path):
    path = tmp_path / "run.pt"
    whole = train(METHODS[name]())
    # In the middle of the third epoch, and once more in the middle of the fourth.
    first = train(stopping(METHODS[name](), 2 * STEPS + 2), path)
    assert first.history.interrupted
    assert [r["epoch"] for r in first.records] == [0, 1, 2]
    second = train(stopping(METHODS[name](), STEPS + 2), path, resume=True)
    assert [r["epoch"] for r in second.records] == [0, 1, 2, 3]
    last = train(METHODS[name](), path, resume=True)
    assert not last.history.interrupted
    same(last, whole)
    assert [p.name for p in tmp_path.iterdir()] == ["run.pt"]


def test_images_that_two_processes_load_are_the_same_after_a_stop(tmp_path):
    name, path = "random batches", tmp_path / "run.pt"
    whole = train(METHODS[name](), tmp_path / "whole.pt", workers=2)
    first = train(stopping(METHODS[name](), 2 * STEPS + 2), path, workers=2)
    assert [r["epoch"] for r in first.records] == [0, 1, 2]
    same(train(METHODS[name](), path, workers=2, resume=True), whole)


@pytest.mark.parametrize(
    "options",
    [
        {"optimizer": {"name": "sgd", "momentum": 0.9}, "schedule": {"inverse": 0.1}},
        {"warmup_epochs": 2, "schedule": {"step": 2, "gamma": 0.5}, "eval_every": 2},
    ],
)
def test_killed_between_epochs_and_resumed_is_as_if_never_stopped(options, tmp_path, monkeypatch):
    path = tmp_path / "run.pt"

    def method():
        return methods.ContinuousLabels(losses.LogRatioLoss(), anchors=2, nearest=2)

    def start(*arguments, **more):
        model = models.EmbeddingNet("convnet_small", 4, in_channels=1)
        more |= {"val": None, "test": None, "batch_size": 16, "epochs": 3}
        return train(method(), *arguments, model=model, data=Bars(), **options, **more)

    whole = start()
    save = checkpoints.Checkpoint.save

    def killed(self, epoch):
        save(self, epoch)
        if epoch == 1:
            raise SystemError("killed")

    monkeypatch.setattr(checkpoints.Checkpoint, "save", killed)
    with pytest.raises(SystemError, match="killed"):
        start(path)
    monkeypatch.undo()
    same(start(path, resume=True), whole)


def test_without_a_file_a_run_begins_and_a_finished_one_returns_its_history(tmp_path):
    path = tmp_path / "new folder" / "run.pt"
    begun = train(METHODS["random batches"](), path, resume=True)
    method = stopping(METHODS["random batches"](), 1)
    again = train(method, path, resume=True)
    assert method.calls == 0  # nothing was trained
    assert not again.history.interrupted
    same(again, begun)


def test_a_file_is_not_overwritten_unless_asked(tmp_path):
    path = tmp_path / "run.pt"
    path.write_text("weeks of work")
    with pytest.raises(FileExistsError, match="resume=True"):
        train(METHODS["random batches"](), path)
    assert path.read_text() == "weeks of work"
    with pytest.raises(ValueError, match="resume=True needs checkpoint="):
        train(METHODS["random batches"](), resume=True)


def test_other_settings_are_refused_by_name(tmp_path):
    path = tmp_path / "run.pt"
    train(METHODS["random batches"](), path)
    with pytest.raises(ValueError, match=r"lr was 0\.01, now 0\.02; .*seed was 0, now 3"):
        train(METHODS["random batches"](), path, resume=True, lr=0.02, seed=3)
    other = models.EmbeddingNet("identity", 9, in_channels=16)
    with pytest.raises(ValueError, match="another model or method"):
        train(METHODS["random batches"](), path, resume=True, model=other)
    with pytest.raises(ValueError, match="another model or method"):
        train(METHODS["generator"](), path, resume=True)


@pytest.fixture
def written(tmp_path):
    path = tmp_path / "run.pt"
    train(METHODS["random batches"](), path, epochs=1, about={"recipe": "mine"})
    return path


def test_a_checkpoint_is_plain_values_and_carries_what_it_is_told(written):
    state = checkpoints.read_checkpoint(written)  # weights_only: no class could be in it
    assert state["about"] == {"recipe": "mine"}
    assert state["epoch"] == 1


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "text", "foreign"])
def test_files_that_are_no_checkpoint_are_named(written, damage):
    content = written.read_bytes()
    middle = len(content) // 2
    written.write_bytes(
        {
            "cut": content[:middle],
            "flipped": content[:middle] + bytes([content[middle] ^ 255]) + content[middle + 1 :],
            "empty": b"",
            "text": b"dear diary",
            "foreign": content,
        }[damage]
    )
    if damage == "foreign":
        torch.save(head().state_dict(), written)
    with pytest.raises(ValueError, match=r"run\.pt"):
        train(METHODS["random batches"](), written, epochs=1, resume=True)


def test_code_in_a_file_is_not_run(tmp_path):
    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "done"),)

    torch.save({"format": checkpoints.FORMAT, "x": Evil()}, tmp_path / "evil.pt")
    with pytest.raises(ValueError, match="cannot be read"):
        checkpoints.read_checkpoint(tmp_path / "evil.pt")
    assert not (tmp_path / "done").exists()


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no checkpoint"):
        checkpoints.read_checkpoint(tmp_path / "none.pt")


def test_writing_that_fails_leaves_the_old_file(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")

    def fails(file):
        file.write(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        files.write_whole(path, fails)
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


# --- what moves the parameters ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("schedule", "rates"),
    [
        ({"step": 2, "gamma": 0.5}, [1, 1, 0.5, 0.5]),
        ({"milestones": [1, 3], "gamma": 0.1}, [1, 0.1, 0.1, 0.01]),
        ({"inverse": 1.0}, [1, 1 / 4, 1 / 7, 1 / 10]),  # three steps an epoch
        ("constant", [1, 1, 1, 1]),
    ],
)
def test_schedules(schedule, rates):
    run = train(METHODS["random batches"](), schedule=schedule)
    assert [r["lr"] for r in run.records[1:]] == pytest.approx([1e-2 * r for r in rates])


@pytest.mark.parametrize("optimizer", ["adam", {"name": "sgd", "momentum": 0.9}])
def test_optimizers(optimizer):
    run = train(METHODS["random batches"](), optimizer=optimizer)
    assert run.records[-1]["loss"] < run.records[1]["loss"]


@pytest.mark.parametrize(
    "options",
    [
        {"optimizer": "lion"},
        {"optimizer": {"name": "sgd", "beta": 1}},
        {"schedule": {"steps": 3, "gamma": 0.5}},
        {"select_on": "train"},
    ],
)
def test_unknown_optimizers_schedules_and_selections_are_refused(options):
    with pytest.raises(ValueError, match=f"^{next(iter(options))}"):
        train(METHODS["random batches"](), **options)


def test_the_best_epoch_may_be_that_of_the_test_set():
    run = train(METHODS["random batches"](), val=None, test=Noisy(1, 0), select_on="test", lr=0.3)
    recall = run.history["test_recall@1"]
    assert recall[run.history.best_epoch] == max(recall)


def test_queries_search_their_gallery():
    queries, gallery = Noisy(1, 0), Noisy(1, 0)
    gallery.x = gallery.x.flip(0)  # the first query's twin is of another class now
    run = train(METHODS["random batches"](), val=None, test=queries, gallery=gallery, epochs=1)
    assert run.records[-1]["test_recall@1"] < 0.1
