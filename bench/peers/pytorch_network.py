"""A network of nasengine as plain PyTorch modules, built from its description (architecture.json),
or a supernet of all paths from the descriptions of several.

The description is the one place where sizes stand, so the two sides cannot drift apart.
SPDX-License-Identifier: MIT
"""

import torch
from torch import nn


class ConvBnAct(nn.Module):
    """A convolution without bias, batch norm, activation."""

    def __init__(self, c_in, c_out, kernel, stride, groups, activation, batch_norm):
        super().__init__()
        self.conv = nn.Conv2d(
            c_in, c_out, kernel, stride, kernel // 2, groups=groups, bias=False
        )
        self.bn = nn.BatchNorm2d(c_out, batch_norm["epsilon"], batch_norm["momentum"])
        self.activation = {
            "none": nn.Identity(),
            "relu": nn.ReLU(inplace=True),
            "relu6": nn.ReLU6(inplace=True),
        }[activation]

    def forward(self, x):
        return self.activation(self.bn(self.conv(x)))


class Mbconv(nn.Module):
    """Expand, depthwise, project; plus the input where neither size changes."""

    def __init__(self, layer, batch_norm):
        super().__init__()
        c_in, c_out = layer["input"][2], layer["output"][2]
        middle = c_in * layer["expand"]
        activation = layer["activation"]
        self.expand = (
            ConvBnAct(c_in, middle, 1, 1, 1, activation, batch_norm)
            if layer["expand"] > 1
            else nn.Identity()
        )
        self.depthwise = ConvBnAct(
            middle, middle, layer["kernel"], layer["stride"], middle, activation, batch_norm
        )
        self.project = ConvBnAct(middle, c_out, 1, 1, 1, "none", batch_norm)
        self.residual = layer["input"] == layer["output"]

    def branch(self, x):
        return self.project(self.depthwise(self.expand(x)))

    def forward(self, x):
        y = self.branch(x)
        return y + x if self.residual else y


class Mixed(nn.Module):
    """All candidates of a block, evenly weighted; plus the input where they are residual."""

    def __init__(self, layers, batch_norm):
        super().__init__()
        self.candidates = nn.ModuleList(Mbconv(layer, batch_norm) for layer in layers)
        self.weight = 1 / len(layers)

    def forward(self, x):
        y = self.candidates[0].branch(x) * self.weight
        for candidate in self.candidates[1:]:
            # In place: no gradient reads the sum.
            y.add_(candidate.branch(x), alpha=self.weight)
        return y + x if self.candidates[0].residual else y


class Classifier(nn.Module):
    """Global average pool, linear. Dropout is left out: the two sides would draw differently."""

    def __init__(self, layer):
        super().__init__()
        self.linear = nn.Linear(layer["input"][2], layer["output"][2])

    def forward(self, x):
        return self.linear(x.mean((2, 3)))


def build_layer(layer, batch_norm):
    if layer["op"] == "mbconv":
        return Mbconv(layer, batch_norm)
    if layer["op"] == "classifier":
        return Classifier(layer)
    if layer["op"] == "zero":
        return nn.Identity()
    return ConvBnAct(
        layer["input"][2],
        layer["output"][2],
        layer["kernel"],
        layer["stride"],
        1,
        layer["activation"],
        batch_norm,
    )


def build_block(layers, batch_norm):
    """The layer in which several networks agree, or a mixed operation of those that they have."""
    distinct = [layer for i, layer in enumerate(layers) if layer not in layers[:i]]
    if len(distinct) == 1:
        return build_layer(distinct[0], batch_norm)
    return Mixed([layer for layer in distinct if layer["op"] != "zero"], batch_norm)


class Network(nn.Module):
    """Layers one after another. `self.layers[i]` is layer i of the description, or of all
    descriptions, which are alike but for their blocks."""

    def __init__(self, *descriptions):
        super().__init__()
        self.input, self.classes = descriptions[0]["input"], descriptions[0]["classes"]
        before = "input"
        for layer in descriptions[0]["layers"]:
            if layer["inputs"] != [before]:
                raise ValueError(
                    f"layer {layer['name']}: found inputs {layer['inputs']}, expected {before}"
                )
            before = layer["name"]
        self.layers = nn.ModuleList(
            build_block(layers, descriptions[0]["batch_norm"])
            for layers in zip(*(description["layers"] for description in descriptions))
        )

    def forward(self, images):
        x = images
        for layer in self.layers:
            x = layer(x)
        return x
