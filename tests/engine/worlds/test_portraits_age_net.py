"""A small net tells 20 from 30 from 40 in people it has not met."""

import numpy as np
import pytest
import torch
from torch import nn

from engine.worlds.portraits import identity, render, scene, seeds

SIZE, PICTURES, EPOCHS, BATCH = 96, 3600, 7, 48
MIDDLE, SPREAD = 40.0, 20.0


def gallery(people, ages):
    """Pictures (n, 3, SIZE, SIZE) uint8 and ages (n,)."""
    shots = [
        render(identity(who), age, scene(who), SIZE).picture
        for who, age in zip(people, ages, strict=True)
    ]
    return torch.from_numpy(np.stack(shots)).permute(0, 3, 1, 2).contiguous(), torch.tensor(ages)


def step(inputs, outputs, stride):
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()
    )


def age_net():
    return nn.Sequential(
        step(3, 24, 2),
        step(24, 32, 2),
        step(32, 48, 1),
        step(48, 64, 2),
        step(64, 64, 1),
        step(64, 96, 2),
        nn.AdaptiveAvgPool2d(3),
        nn.Flatten(),
        nn.Dropout(0.2),
        nn.Linear(96 * 9, 1),
    ).to(memory_format=torch.channels_last)


def prepared(pictures):
    return (pictures.float() / 127.5 - 1).contiguous(memory_format=torch.channels_last)


def train(net, pictures, ages):
    steps = EPOCHS * (len(pictures) // BATCH)
    optimizer = torch.optim.AdamW(net.parameters(), 4e-3, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=steps)
    net.train()
    for _ in range(EPOCHS):
        order = torch.randperm(len(pictures))[: len(pictures) // BATCH * BATCH]
        for rows in order.split(BATCH):
            batch = prepared(pictures[rows])
            if torch.rand(()) < 0.5:
                batch = batch.flip(3)
            told = net(batch)[:, 0]
            loss = nn.functional.smooth_l1_loss(told, (ages[rows] - MIDDLE) / SPREAD, beta=0.2)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    net.eval()


@pytest.mark.slow
def test_a_small_network_distinguishes_20_30_and_40():
    torch.manual_seed(0)
    drawn = np.random.default_rng(0).uniform(5, 75, PICTURES).astype(np.float32)
    pictures, ages = gallery(seeds.TRAIN[:PICTURES], drawn)
    net = age_net()
    train(net, pictures, ages)
    asked = np.resize(np.float32([20, 30, 40]), 240)
    unseen, truth = gallery(seeds.VALIDATION[:240], asked)
    with torch.no_grad():
        told = net(prepared(unseen))[:, 0] * SPREAD + MIDDLE
    error = (told - truth).abs()
    assert error.mean() <= 6
    means = [told[truth == age].mean() for age in (20, 30, 40)]
    assert means[0] + 5 < means[1] < means[2] - 5
