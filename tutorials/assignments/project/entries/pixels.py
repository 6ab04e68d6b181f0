"""The 64 principal components of the pixels: no network, no labels."""

import torch
from torch import nn


def fit(train, seed):
    pixels = torch.stack([image for image, _ in train]).flatten(1)
    mean = pixels.mean(dim=0)
    directions = torch.linalg.svd(pixels - mean, full_matrices=False).Vh[:64]
    project = nn.Linear(pixels.shape[1], 64)
    with torch.no_grad():
        project.weight.copy_(directions)
        project.bias.copy_(-directions @ mean)
    return nn.Sequential(nn.Flatten(), project)
