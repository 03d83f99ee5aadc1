"""Small blocks and a path of a supernet through PyTorch: what the tests hold the engine against.

  python3 bench/peers/pytorch_fixtures.py tests/fixtures/pytorch

writes one safetensors file a case: description (metadata `architecture`), images, labels, and of
one training step the output of every layer, loss, gradients, weights and running statistics before and
after. Tensors are in the engine's layouts and under its names. The loss is the cross-entropy with
labels smoothed by 0.1; of a block alone, <output, dy> is added, so that every element of the output
has a gradient of its own. Then comes one step of SGD.
SPDX-License-Identifier: MIT
"""

import json
import pathlib
import sys

import torch
from safetensors.torch import save_file
from torch import nn

from pytorch_network import ConvBnAct, Mbconv, Network

BATCH = 4
SMOOTHING = 0.1
SGD = {"lr": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}
# Closest that the input of a relu or relu6 may come to a kink: rounding must not decide its mask.
KINK_MARGIN = 1e-4


def layer(name, op, inputs, size_in, size_out, kernel=1, stride=1, expand=1):
    activation = {"conv": "relu6", "mbconv": "relu6", "classifier": "none"}[op]
    described = {
        "name": name,
        "op": op,
        "inputs": [inputs],
        "input": size_in,
        "output": size_out,
        "kernel": kernel,
        "stride": stride,
        "expand": expand,
        "activation": activation,
    }
    if op == "classifier":
        described["dropout"] = 0.0
    return described


def network(name, layers):
    classes = 5
    last = layers[-1]
    head = layer("classifier", "classifier", last["name"], last["output"], [1, 1, classes])
    return {
        "format": "nasengine-architecture",
        "version": 1,
        "name": name,
        "input": layers[0]["input"],
        "classes": classes,
        "batch_norm": {"momentum": 0.1, "epsilon": 1e-3},
        "layers": [*layers, head],
    }


# Odd sizes, more and fewer channels than a vector holds, every kernel and stride.
CASES = [
    network("stem", [layer("stem", "conv", "input", [9, 11, 3], [5, 6, 17], 3, 2)]),
    network("mbconv_k3", [layer("block1", "mbconv", "input", [7, 9, 8], [7, 9, 8], 3, 1, 6)]),
    network(
        "mbconv_k5_stride2",
        [layer("block1", "mbconv", "input", [9, 9, 6], [5, 5, 10], 5, 2, 3)],
    ),
    network("mbconv_k7", [layer("block1", "mbconv", "input", [8, 8, 5], [8, 8, 7], 7, 1, 3)]),
    network(
        "supernet_path",
        [
            layer("stem", "conv", "input", [12, 12, 2], [12, 12, 4], 3, 1),
            layer("block1", "mbconv", "stem", [12, 12, 4], [6, 6, 8], 5, 2, 3),
            layer("block2", "mbconv", "block1", [6, 6, 8], [6, 6, 8], 3, 1, 6),
        ],
    ),
]


def nhwc(tensor):
    return tensor.permute(0, 2, 3, 1) if tensor.dim() == 4 else tensor


def stored(name, tensor):
    is_map = name in ("images", "dy", "gradient/images") or name.startswith("output/")
    return (nhwc(tensor) if is_map else tensor).detach().contiguous()


def weight_layout(conv, tensor):
    """(out, in / groups, k, k) as the engine stores it."""
    if conv.groups > 1:
        return tensor[:, 0].permute(1, 2, 0)
    if conv.kernel_size == (1, 1):
        return tensor[:, :, 0, 0]
    return tensor.permute(0, 2, 3, 1)


def stages(name, module):
    """The ConvBnAct of a layer with the prefixes of their parameters' names."""
    if isinstance(module, ConvBnAct):
        return [(f"{name}/", module)]
    parts = ["expand", "depthwise", "project"] if isinstance(module, Mbconv) else []
    return [(f"{name}/{part}.", getattr(module, part)) for part in parts]


def state(description, built, read):
    """Every parameter by the engine's name, as `read(parameter)` gives it."""
    tensors = {}
    for described, module in zip(description["layers"], built.layers):
        name = described["name"]
        for prefix, stage in stages(name, module):
            tensors[f"{prefix}weight"] = weight_layout(stage.conv, read(stage.conv.weight))
            tensors[f"{prefix}gamma"] = read(stage.bn.weight)
            tensors[f"{prefix}beta"] = read(stage.bn.bias)
        if described["op"] == "classifier":
            tensors[f"{name}/weight"] = read(module.linear.weight)
            tensors[f"{name}/bias"] = read(module.linear.bias)
    return tensors


def statistics(description, built):
    tensors = {}
    for described, module in zip(description["layers"], built.layers):
        for prefix, stage in stages(described["name"], module):
            tensors[f"{prefix}running_mean"] = stage.bn.running_mean
            tensors[f"{prefix}running_var"] = stage.bn.running_var
    return tensors


def randomize(built):
    """No parameter at the value it starts with, which would hide what it does."""
    for parameter in built.parameters():
        nn.init.normal_(parameter, 0, 0.5)
    for module in built.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 2)
            nn.init.normal_(module.bias, 1, 1)


def watch_kinks(built, distances):
    """Notes how close any activation's input comes to a kink."""

    def note(_module, inputs):
        x = inputs[0]
        distances.append(min(x.abs().min().item(), (x - 6).abs().min().item()))

    for module in built.modules():
        if isinstance(module, nn.ReLU6):
            module.register_forward_pre_hook(note)


def record(description, seed):
    """The tensors of one training step, or None where an activation comes too close to a kink."""
    torch.manual_seed(seed)
    built = Network(description).train()
    randomize(built)
    distances = []
    watch_kinks(built, distances)
    h, w, c = description["input"]
    images = torch.randn(BATCH, c, h, w, requires_grad=True)
    labels = torch.arange(BATCH) % description["classes"]
    tensors = {"images": images, "labels": labels.to(torch.int32)}

    def take(prefix, named):
        for name, tensor in named.items():
            tensors[prefix + name] = tensor.detach().clone()

    take("before/", state(description, built, lambda p: p))
    take("before/", statistics(description, built))
    x = images
    projection = 0
    for described, module in zip(description["layers"], built.layers):
        x = module(x)
        tensors[f"output/{described['name']}"] = x
        if len(built.layers) == 2 and "dy" not in tensors:
            tensors["dy"] = torch.randn_like(x)
            projection = (x * tensors["dy"]).sum()
    loss = nn.functional.cross_entropy(x, labels, label_smoothing=SMOOTHING) + projection
    loss.backward()
    tensors["loss"] = loss.reshape(1)
    tensors["gradient/images"] = images.grad
    take("gradient/", state(description, built, lambda p: p.grad))
    torch.optim.SGD(built.parameters(), **SGD).step()
    take("after/", state(description, built, lambda p: p))
    take("after/", statistics(description, built))
    if min(distances) < KINK_MARGIN:
        return None
    return {name: stored(name, tensor) for name, tensor in tensors.items()}


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: pytorch_fixtures.py FOLDER")
    torch.set_num_threads(1)
    for description in CASES:
        seed = 1
        while (tensors := record(description, seed)) is None:
            seed += 1
        path = pathlib.Path(sys.argv[1]) / (description["name"] + ".safetensors")
        metadata = {
            "architecture": json.dumps(description),
            "script": "bench/peers/pytorch_fixtures.py",
            "torch": torch.__version__,
            "seed": str(seed),
            "smoothing": str(SMOOTHING),
            **{key: str(value) for key, value in SGD.items()},
        }
        save_file(tensors, path, metadata)
        path.chmod(0o644)
        print(f"{path}: {path.stat().st_size} bytes, seed {seed}")


if __name__ == "__main__":
    main()
