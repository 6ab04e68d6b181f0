import pytest
import torch

from dmlviz import datasets


@pytest.fixture(scope="module")
def sets(glyph_root):
    return {split: datasets.load("glyphs", split, glyph_root) for split in ("train", "val")}


@pytest.mark.parametrize("share", [0.0, 0.2, 1.0])
def test_the_given_share_of_labels_is_wrong(sets, share):
    clean = sets["train"].targets.clone()
    spoilt = datasets.with_wrong_labels(sets["train"], share)
    assert (spoilt.targets != clean).float().mean() == pytest.approx(share)
    assert torch.equal(sets["train"].targets, clean)  # the original is left as it is
    assert spoilt.targets.min() >= 0
    assert spoilt.targets.max() < 200
    assert torch.equal(spoilt.targets, datasets.with_wrong_labels(sets["train"], share).targets)


def test_wrong_labels_are_spread_over_all_other_classes(sets):
    spoilt = datasets.with_wrong_labels(sets["train"], 1.0)
    assert len(spoilt.targets[sets["train"].targets == 3].unique()) > 20


def test_outliers_replace_images_and_keep_labels(sets):
    train, val = sets["train"], sets["val"]
    spoilt = datasets.with_outliers(train, val, 0.1)
    changed = [
        i for i in range(len(train)) if spoilt.image(i).tobytes() != train.image(i).tobytes()
    ]
    assert len(changed) == 600
    assert torch.equal(spoilt.targets, train.targets)
    foreign = {val.image(i).tobytes() for i in range(len(val))}
    assert all(spoilt.image(i).tobytes() in foreign for i in changed)
    assert spoilt[changed[0]][0].shape == (1, 32, 32)


def test_impossible_shares_are_refused(sets):
    for share in (-0.1, 1.1):
        with pytest.raises(ValueError, match="share must be"):
            datasets.with_wrong_labels(sets["train"], share)
    with pytest.raises(ValueError, match="foreign holds 800"):
        datasets.with_outliers(sets["train"], sets["val"], 0.5)


def test_some_classes_are_a_data_set_of_their_own(sets):
    part = datasets.OfClasses(sets["train"], [7, 3])
    assert part.classes == [sets["train"].classes[7], sets["train"].classes[3]]
    assert part.targets.bincount().tolist() == [30, 30]
    for i in (0, 59):
        original = int(part.indices[i])
        assert part.image(i).tobytes() == sets["train"].image(original).tobytes()
        assert part.classes[part[i][1]] == sets["train"].classes[sets["train"].targets[original]]
    for classes in ([], [200], [-1], [3, 3]):
        with pytest.raises(ValueError, match="classes must be"):
            datasets.OfClasses(sets["train"], classes)
