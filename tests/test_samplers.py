from collections import Counter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dmlviz.datasets import ClassBalancedBatchSampler


def make_targets(sizes):
    return torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))


@st.composite
def samplers(draw, *, divisible=False):
    """A sampler and its targets; `divisible`: class sizes are multiples of samples_per_class."""
    samples = draw(st.integers(1, 4))
    sizes = st.integers(1, 9).map(lambda size: size * samples if divisible else size)
    targets = make_targets(draw(st.lists(sizes, min_size=1, max_size=7)))
    classes = draw(st.integers(1, int(targets.max()) + 1))
    shuffled = targets[torch.randperm(len(targets), generator=torch.Generator().manual_seed(0))]
    return ClassBalancedBatchSampler(shuffled, classes, samples, draw(st.integers(0, 9))), shuffled


@pytest.mark.parametrize(
    ("sizes", "classes", "samples", "length"),
    [([10] * 4, 2, 5, 4), ([10] * 4, 3, 4, 3), ([2, 2], 2, 4, 1), ([7, 1, 3], 1, 1, 11)],
)
def test_length_is_the_number_of_whole_batches_and_at_least_one(sizes, classes, samples, length):
    sampler = ClassBalancedBatchSampler(make_targets(sizes), classes, samples)
    assert len(sampler) == len(list(sampler)) == length


@settings(deadline=None, max_examples=60)
@given(samplers())
def test_every_batch_holds_the_same_number_of_images_of_distinct_classes(case):
    sampler, targets = case
    batches = list(sampler)
    assert len(batches) == len(sampler)
    for batch in batches:
        counts = Counter(targets[batch].tolist())
        assert len(counts) == sampler.classes_per_batch
        assert set(counts.values()) == {sampler.samples_per_class}


@settings(deadline=None, max_examples=60)
@given(samplers())
def test_class_walks_through_all_its_images_before_one_repeats(case):
    sampler, targets = case
    drawn = {c: [] for c in range(int(targets.max()) + 1)}
    for batch in sampler:
        for i in batch:
            drawn[int(targets[i])].append(i)
    for c, images in drawn.items():
        size = int((targets == c).sum())
        for start in range(0, len(images), size):
            walk = images[start : start + size]
            assert len(set(walk)) == len(walk)


def test_only_classes_that_are_too_small_repeat_images_in_a_batch():
    targets = make_targets([8, 2])
    for batch in ClassBalancedBatchSampler(targets, 2, 4, seed=1):
        large = [i for i in batch if targets[i] == 0]
        small = [i for i in batch if targets[i] == 1]
        assert len(set(large)) == 4
        assert Counter(small) == {8: 2, 9: 2}


def test_same_seed_gives_the_same_batches_in_every_pass():
    first, second = (ClassBalancedBatchSampler(make_targets([9] * 6), 3, 2, 7) for _ in range(2))
    for _ in range(3):
        assert list(first) == list(second)


def test_other_seed_gives_other_batches():
    first, second = (ClassBalancedBatchSampler(make_targets([9] * 6), 3, 2, s) for s in (7, 8))
    assert list(first) != list(second)


def test_passes_differ():
    sampler = ClassBalancedBatchSampler(make_targets([9] * 6), 3, 2)
    assert list(sampler) != list(sampler)


def test_sampling_leaves_the_global_random_state_alone():
    before = torch.get_rng_state()
    list(ClassBalancedBatchSampler(make_targets([9] * 6), 3, 2))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("kind", [list, tuple, torch.Tensor.numpy])
def test_targets_may_come_in_any_container(kind):
    targets = make_targets([4, 4, 4])
    expected = list(ClassBalancedBatchSampler(targets, 2, 2))
    assert list(ClassBalancedBatchSampler(kind(targets), 2, 2)) == expected


def test_data_set_is_taken_by_its_targets(glyph_root):
    from dmlviz.datasets import load

    dataset = load("glyphs", "val", root=glyph_root)
    by_set, by_targets = (ClassBalancedBatchSampler(t, 8, 4) for t in (dataset, dataset.targets))
    assert list(by_set) == list(by_targets)


def test_data_loader_takes_it(glyph_root):
    from dmlviz.datasets import load

    dataset = load("glyphs", "val", root=glyph_root)
    sampler = ClassBalancedBatchSampler(dataset, 8, 4)
    images, targets = next(iter(torch.utils.data.DataLoader(dataset, batch_sampler=sampler)))
    assert images.shape == (32, 1, 32, 32)
    assert sorted(Counter(targets.tolist()).values()) == [4] * 8


def test_gaps_between_the_labels_do_not_matter():
    batch = next(iter(ClassBalancedBatchSampler([5, 5, 90, 90, -3, -3], 3, 2)))
    assert sorted(batch) == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("classes", [0, 4, -1])
def test_classes_per_batch_outside_its_range_is_refused(classes):
    with pytest.raises(ValueError, match=f"between 1 and 3, the number of classes, got {classes}"):
        ClassBalancedBatchSampler([0, 1, 2], classes, 1)


def test_samples_per_class_below_one_is_refused():
    with pytest.raises(ValueError, match="samples_per_class must be at least 1, got 0"):
        ClassBalancedBatchSampler([0, 1, 2], 2, 0)


def test_targets_that_are_no_integers_are_refused():
    with pytest.raises(ValueError, match="labels must be integers"):
        ClassBalancedBatchSampler([0.0, 1.0], 1, 1)


def test_targets_that_are_no_vector_are_refused():
    with pytest.raises(ValueError, match=r"must have shape \(N,\), got \(2, 1\)"):
        ClassBalancedBatchSampler([[0], [1]], 1, 1)


@pytest.mark.parametrize(("n_classes", "per_batch"), [(5, 3), (7, 4), (200, 24)])
def test_classes_are_drawn_equally_often_where_rounds_do_not_divide(n_classes, per_batch):
    targets = make_targets([60] * n_classes)
    batches = list(ClassBalancedBatchSampler(targets, per_batch, 2, seed=0))
    counts = Counter(c for batch in batches for c in set(targets[batch].tolist()))
    assert max(counts.values()) - min(counts.values()) <= 1


@settings(deadline=None, max_examples=60)
@given(samplers())
def test_no_image_is_twice_in_a_batch_where_classes_are_large_enough(case):
    sampler, targets = case
    sizes = targets.bincount()
    for batch in sampler:
        large = [i for i in batch if sizes[targets[i]] >= sampler.samples_per_class]
        assert len(set(large)) == len(large)
