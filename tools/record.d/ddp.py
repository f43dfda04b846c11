# SPDX-License-Identifier: Apache-2.0
"""One rank of real PyTorch DDP training over gloo: ddp.py RANK WORLD ADDRESS PORT WIDTH BATCH SECONDS"""
import os
import sys
import time

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel


def main():
    rank, world, address, port, width, batch, seconds = sys.argv[1:8]
    os.environ.update(MASTER_ADDR=address, MASTER_PORT=port)
    torch.set_num_threads(1)
    dist.init_process_group("gloo", rank=int(rank), world_size=int(world))
    width = int(width)
    model = DistributedDataParallel(torch.nn.Sequential(
        torch.nn.Linear(64, width), torch.nn.ReLU(), torch.nn.Linear(width, width),
        torch.nn.ReLU(), torch.nn.Linear(width, 8)), bucket_cap_mb=4)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    started, goes_on = time.monotonic(), torch.ones(1)
    while goes_on.item() > 0:
        x = torch.randn(int(batch), 64)
        loss = model(x).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        goes_on = torch.tensor([1.0 if time.monotonic() - started < float(seconds) else 0.0])
        dist.broadcast(goes_on, 0)
    dist.destroy_process_group()


main()
