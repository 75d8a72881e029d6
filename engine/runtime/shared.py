"""Statistics over all processes that share a batch, where each would else use its own."""

import torch
from torch import Tensor, nn
from torch.distributed.nn.functional import all_reduce  # pyright: ignore[reportUnknownVariableType]
from torch.nn.modules.batchnorm import _BatchNorm  # pyright: ignore[reportPrivateUsage]


def processes() -> int:
    """Processes that share the batches; 1 outside of a shared training."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return 1
    return torch.distributed.get_world_size()


def shared_mean(value: Tensor) -> Tensor:
    """The mean of a tensor over all processes, element by element; gradients pass."""
    if (count := processes()) == 1:
        return value
    return all_reduce(value.contiguous()) / count


def shared_rows(rows: Tensor) -> Tensor:
    """The rows (b, ...) of all processes in the order of the batch: (processes * b, ...).

    Gradients pass. For losses that compare the samples of a batch with each other: each process
    computes the loss of the whole batch, and the mean of their gradients is that of one process.
    """
    if (count := processes()) == 1:
        return rows
    # Not all_gather: its gradient needs an exchange that gloo lacks.
    rank = torch.distributed.get_rank()
    others = rows.new_zeros(rows.shape)
    return all_reduce(torch.cat([rows if at == rank else others for at in range(count)]))


class SharedBatchNorm(_BatchNorm):
    """A batch norm whose statistics are those of the whole batch, over all processes.

    `nn.SyncBatchNorm` does the same on GPUs alone. Each process holds as many samples.
    """

    def _check_input_dim(self, input: Tensor) -> None:
        """Any input of at least two dimensions."""

    def forward(self, input: Tensor) -> Tensor:
        if not self.training:
            return super().forward(input)
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        x = input.float()
        over = [axis for axis in range(x.dim()) if axis != 1]
        shape = [1, -1] + [1] * (x.dim() - 2)
        mean = shared_mean(x.mean(over))
        x = x - mean.view(shape)  # first, since E[x^2] - E[x]^2 would cancel all but a few digits
        variance = shared_mean(x.square().mean(over))
        with torch.no_grad():
            self.num_batches_tracked += 1
            count = processes() * x.numel() / x.shape[1]
            momentum = (
                1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
            )
            self.running_mean.lerp_(mean.detach(), momentum)
            self.running_var.lerp_(variance.detach() * (count / (count - 1)), momentum)
        x = x * (variance + self.eps).rsqrt().view(shape)
        if self.affine:
            x = x * self.weight.view(shape) + self.bias.view(shape)
        return x.to(input.dtype)


def share_batch_norms(net: nn.Module) -> None:
    """Replace the batch norms inside a network, in place; parameters and buffers stay the same."""
    for name, child in net.named_children():
        if isinstance(child, _BatchNorm) and child.track_running_stats:
            shared = SharedBatchNorm(child.num_features, child.eps, child.momentum, child.affine)
            for key, value in child.named_parameters(recurse=False):
                setattr(shared, key, value)
            for key, value in child.named_buffers(recurse=False):
                setattr(shared, key, value)
            shared.train(child.training)
            setattr(net, name, shared)
        else:
            share_batch_norms(child)
