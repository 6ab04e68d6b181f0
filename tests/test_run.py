"""`run` and its commands: from a recipe to a result, interrupted or not."""

import json
import signal
import subprocess
import sys
import time

import pytest

from dmlviz import cli, datasets, methods, models, training

SMALL = {
    "loss": "ContrastiveLoss", "margin": 0.8, "train_classes": 60, "backbone": "convnet_small",
    "embedding_size": 16, "epochs": 2, "batch_size": 48, "lr": 3e-3,
}  # fmt: skip


def run(glyph_root, output, settings=None, **options):
    options = {"progress": False, "device": "cpu", "settings": SMALL | (settings or {})} | options
    return training.run("proxy-anchor-glyphs", data_root=glyph_root, output=output, **options)


@pytest.fixture(scope="module")
def result(glyph_root, tmp_path_factory):
    return run(glyph_root, tmp_path_factory.mktemp("run") / "out")


def command(glyph_root, output, *more):
    pairs = [part for k, v in SMALL.items() for part in ("--set", f"{k}={v}")]
    place = ["--data-root", str(glyph_root), "--output", str(output), "--device", "cpu"]
    return ["train", "proxy-anchor-glyphs", *pairs, *place, *more]


def test_a_run_is_evaluated_once_and_written_down(result):
    written = json.loads((result.output / "result.json").read_text())
    assert written["metrics"] == result.metrics
    assert 0.01 < result.metrics["recall@1"] < 0.9
    assert written["recipe"]["fit"]["lr"] == 3e-3
    assert written["settings changed"] == SMALL
    assert written["data"]["train"] == {"images": 1800, "classes": 60}
    assert written["selection"] == f"epoch {result.epoch} of 2, chosen on 40 held-out classes"
    assert [r["epoch"] for r in written["history"]] == [0, 1, 2]
    assert not any("test" in name for name in result.history.columns())
    assert sorted(p.name for p in result.output.iterdir()) == ["checkpoint.pt", "result.json"]


def test_the_model_of_a_run_is_that_of_its_best_epoch(result):
    recall = result.history["val_recall@1"]
    assert recall[result.epoch] == max(recall)
    assert result.epoch > 0
    again = training.load_model(result.output)
    for name, value in result.model.state_dict().items():
        assert value.equal(again.state_dict()[name])


def test_train_interrupted_and_resumed_gives_the_same_metrics(
    glyph_root, tmp_path, monkeypatch, capsys, result
):
    """The command; Ctrl-C in the middle of the second epoch; the command that it names."""
    calls, forward = [], methods.Supervised.forward

    def interrupted(self, model, batch):
        calls.append(1)
        if len(calls) == 50:  # an epoch has 37 steps
            raise KeyboardInterrupt
        return forward(self, model, batch)

    arguments = command(glyph_root, tmp_path / "out")
    monkeypatch.setattr(methods.Supervised, "forward", interrupted)
    assert cli.main(arguments) == 130
    out = capsys.readouterr().out
    assert "go on where it stopped: dmlviz train proxy-anchor-glyphs" in out
    assert "--resume" in out
    assert not (tmp_path / "out" / "result.json").exists()
    assert cli.main(arguments) == 1  # not by accident
    assert "--resume" in capsys.readouterr().err
    monkeypatch.undo()

    assert cli.main([*arguments, "--resume"]) == 0
    shown = capsys.readouterr().out
    recall = f"{100 * result.metrics['recall@1']:.1f} %"
    assert recall in shown
    written = json.loads((tmp_path / "out" / "result.json").read_text())
    assert written["metrics"] == result.metrics

    place = ["--data-root", str(glyph_root), "--device", "cpu"]
    assert cli.main(["evaluate", str(tmp_path / "out"), *place]) == 0
    assert recall in capsys.readouterr().out


def ctrl_c_after_an_epoch(arguments, checkpoint):
    """The command as a process of its own, ended as a shell would; its exit status and output."""
    # Those that a shell starts in the background ignore the signal, and so do their children.
    program = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from dmlviz import cli; sys.exit(cli.main())"
    )
    command = [sys.executable, "-c", program, *arguments]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        while process.poll() is None:
            if checkpoint.exists() and training.checkpoint.read_checkpoint(checkpoint)["epoch"]:
                process.send_signal(signal.SIGINT)
                break
            time.sleep(0.01)
        said = process.communicate()[0]
    return process.returncode, said


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="a process cannot be sent Ctrl-C there")
def test_a_process_that_ctrl_c_ends_is_resumed_to_the_same_metrics(glyph_root, tmp_path):
    few = {"train_classes": 8, "epochs": 12}
    whole = run(glyph_root, tmp_path / "whole", settings=few)
    more = [part for k, v in few.items() for part in ("--set", f"{k}={v}")]
    arguments = command(glyph_root, tmp_path / "out", *more)
    status, said = ctrl_c_after_an_epoch(arguments, tmp_path / "out" / "checkpoint.pt")
    assert status == 130, said
    assert "go on where it stopped" in said
    assert not (tmp_path / "out" / "result.json").exists()
    assert cli.main([*arguments, "--resume", "--quiet"]) == 0
    written = json.loads((tmp_path / "out" / "result.json").read_text())
    assert written["metrics"] == whole.metrics


def test_resuming_with_another_recipe_names_what_differs(glyph_root, result):
    with pytest.raises(ValueError, match=r"fit\.lr was 0\.003, now 0\.1\. Go on"):
        run(glyph_root, result.output, settings={"lr": 0.1}, resume=True)
    with pytest.raises(FileExistsError, match="--resume"):
        run(glyph_root, result.output)
    with pytest.raises(ValueError, match="seed was 0, now 1"):
        run(glyph_root, result.output, resume=True, seed=1)


def test_choosing_on_the_test_classes_is_said_plainly(glyph_root, tmp_path, capsys):
    chosen = run(glyph_root, tmp_path / "out", select_on="test", progress=True)
    assert "chosen on the TEST classes" in capsys.readouterr().out
    assert "flatters" in chosen.selection
    assert chosen.metrics["recall@1"] == max(chosen.history["test_recall@1"])


def test_the_command_may_choose_on_the_test_classes_and_says_so(glyph_root, tmp_path, capsys):
    output = tmp_path / "out"
    more = ["--set", "epochs=1", "--select-on", "test"]
    assert cli.main(command(glyph_root, output, *more)) == 0
    said = capsys.readouterr().out
    assert "the epoch is chosen on the TEST classes" in said  # before
    assert "of 1, chosen on the TEST classes, which flatters the figures" in said  # and after
    written = json.loads((output / "result.json").read_text())
    assert written["select on"] == "test"
    assert written["data"]["train"]["classes"] == 60
    assert written["metrics"]["recall@1"] == max(r["test_recall@1"] for r in written["history"])


def test_the_last_epoch_holds_nothing_out(glyph_root, tmp_path):
    last = run(glyph_root, tmp_path / "out", select_on="last", settings={"epochs": 1})
    assert last.epoch == 1
    assert last.history.columns() == ["epoch", "loss", "lr", "seconds"]
    with pytest.raises(ValueError, match="select_on must be one of val, test, last"):
        run(glyph_root, tmp_path / "other", select_on="train")


def test_a_data_set_that_holds_nothing_out_says_so(glyph_root, tmp_path, monkeypatch):
    monkeypatch.setattr(datasets, "splits", lambda name: ("train", "test"))
    with pytest.raises(ValueError, match='select_on="last"'):
        run(glyph_root, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_run_is_the_source_of_a_transfer(glyph_root, tmp_path, result):
    """Dimension reduction: 16 to 4, no labels."""
    settings = {
        "source": str(result.output), "train_classes": 8, "embedding_size": 4, "epochs": 1,
    }  # fmt: skip
    transfer = training.run(
        "transfer-network-glyphs", data_root=glyph_root, output=tmp_path / "out",
        settings=settings, progress=False, device="cpu",
    )  # fmt: skip
    assert transfer.report.metric == "euclidean"
    assert transfer.history["loss"][1] > 0


def test_queries_search_their_gallery(tmp_path, monkeypatch):
    few = {"train": 256, "val": 64, "query": 32, "gallery": 128}
    monkeypatch.setattr("dmlviz.datasets.rendered.poses.IMAGES", few)
    poses = training.run(
        "log-ratio-poses", data_root=tmp_path, output=tmp_path / "out", settings={"epochs": 1},
        select_on="test", progress=False, device="cpu",
    )  # fmt: skip
    assert (poses.report.queries, poses.report.gallery_size) == (32, 128)
    # What is watched and what is evaluated are one figure.
    assert poses.metrics["ndcg@100"] == max(poses.history["test_ndcg@100"])
    again = training.evaluate_checkpoint(tmp_path / "out", data_root=tmp_path, device="cpu")
    assert again == poses.report


def test_a_checkpoint_of_fit_does_not_say_how_to_build_its_model(glyph_root, tmp_path):
    val = datasets.load("glyphs", "val", glyph_root)
    model = models.EmbeddingNet("convnet_small", 8, in_channels=1)
    method = training.build.build_method(
        training.load_recipe("proxy-anchor-glyphs"), model, val, seed=0
    )
    path = tmp_path / "fit.pt"
    training.fit(model, method, val, epochs=0, checkpoint=path, progress=False)
    with pytest.raises(ValueError, match="does not say how its model is built"):
        training.load_model(path)


def test_weights_for_later_build_the_same_network_without_a_download():
    model = models.EmbeddingNet("googlenet", 8, weights="later")
    assert model.pretrained
    assert "rescale" in dict(model.backbone.named_children())


# --- commands ---------------------------------------------------------------------------------


def test_train_lists_the_recipes(capsys):
    assert cli.main(["train", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == training.recipes()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train"], "--list"),
        (["train", "proxy-anchor-glyph"], "did you mean 'proxy-anchor-glyphs'"),
        (["train", "proxy-anchor-glyphs", "--set", "lrr=1"], "did you mean 'lr'"),
        (["train", "proxy-anchor-glyphs", "--set", "lr"], "NAME=VALUE"),
        (["train", "proxy-anchor-glyphs", "--set", "lr=fast"], "must be a number"),
        (["evaluate", "no-such-folder"], "no checkpoint"),
    ],
)
def test_mistakes_end_in_one_line(arguments, words, capsys):
    assert cli.main(arguments) == 1
    err = capsys.readouterr().err
    assert words in err
    assert len(err.splitlines()) == 1
