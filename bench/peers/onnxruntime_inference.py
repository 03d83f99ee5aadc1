"""A deployed network in ONNX Runtime, run on request: the peer of `bench inference`.

Reads lines, answers each with one line:
  {"network": architecture.json, "tensors": FILE}  ->  ready ORT_VERSION LARGEST_DIFFERENCE
  run N                                            ->  done, after N runs
FILE is a safetensors file with `images` (n, h, w, c), the `logits` that the caller has computed for
them, and the weights and biases of every operator, batch norms folded, under the engine's names and
in its layouts. The difference is that of the logits, as a share of their root mean square. Ends with
its input. Exit status 3: ONNX Runtime cannot be imported.
SPDX-License-Identifier: MIT
"""

import argparse
import json
import os
import sys

OPSET = 17


def read_tensors(np, path):
    """The f32 tensors of a safetensors file."""
    with open(path, "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        data = file.read()
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        tensors[name] = np.frombuffer(data[begin:end], np.float32).reshape(entry["shape"])
    return tensors


class ModelBuilder:
    """A chain of layers as ONNX nodes; images are NCHW, as ONNX has them."""

    def __init__(self, np, onnx, tensors):
        self.np, self.onnx, self.tensors = np, onnx, tensors
        self.nodes, self.initializers = [], []
        self.constant("zero", np.float32(0))
        self.constant("six", np.float32(6))

    def constant(self, name, value):
        value = self.np.ascontiguousarray(value)
        self.initializers.append(self.onnx.numpy_helper.from_array(value, name))
        return name

    def node(self, op, inputs, **attributes):
        output = f"value{len(self.nodes)}"
        self.nodes.append(self.onnx.helper.make_node(op, inputs, [output], **attributes))
        return output

    def conv(self, name, x, kernel, stride, activation):
        weight = self.tensors[name + ".weight"]
        groups = 1
        if weight.ndim == 2:  # (out, in)
            weight = weight[:, :, None, None]
        elif weight.ndim == 3:  # depthwise, (k, k, c)
            groups = weight.shape[2]
            weight = weight.transpose(2, 0, 1)[:, None]
        else:  # (out, k, k, in)
            weight = weight.transpose(0, 3, 1, 2)
        inputs = [
            x,
            self.constant(name + ".weight", weight),
            self.constant(name + ".bias", self.tensors[name + ".bias"]),
        ]
        y = self.node(
            "Conv", inputs, kernel_shape=[kernel] * 2, strides=[stride] * 2,
            pads=[kernel // 2] * 4, group=groups,
        )
        if activation == "relu":
            return self.node("Relu", [y])
        return self.node("Clip", [y, "zero", "six"]) if activation == "relu6" else y

    def layer(self, layer, x):
        name, op = layer["name"], layer["op"]
        kernel, stride, activation = layer["kernel"], layer["stride"], layer["activation"]
        if op == "zero":
            return x
        if op == "conv":
            return self.conv(name, x, kernel, stride, activation)
        if op == "classifier":
            pooled = self.node("Flatten", [self.node("GlobalAveragePool", [x])])
            name += "/linear"
            weight = self.constant(name + ".weight", self.tensors[name + ".weight"])
            bias = self.constant(name + ".bias", self.tensors[name + ".bias"])
            return self.node("Gemm", [pooled, weight, bias], transB=1)
        y = x
        if layer["expand"] > 1:
            y = self.conv(name + "/expand", y, 1, 1, activation)
        y = self.conv(name + "/depthwise", y, kernel, stride, activation)
        y = self.conv(name + "/project", y, 1, 1, "none")
        return self.node("Add", [y, x]) if layer["input"] == layer["output"] else y

    def model(self, description, batch):
        x = "images"
        for layer in description["layers"]:
            x = self.layer(layer, x)
        helper, kind = self.onnx.helper, self.onnx.TensorProto.FLOAT
        h, w, c = description["input"]
        graph = helper.make_graph(
            self.nodes,
            description["name"],
            [helper.make_tensor_value_info("images", kind, [batch, c, h, w])],
            [helper.make_tensor_value_info(x, kind, [batch, description["classes"]])],
            self.initializers,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
        model.ir_version = 8  # that of the opset's time, which every later runtime reads
        self.onnx.checker.check_model(model)
        return model.SerializeToString()


def new_session(onnxruntime, model, threads, cores):
    """Thread i on core i, as the caller's are; where there are cores for all."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    if 1 < threads <= len(cores):
        # Of all but the calling thread, counted from 1.
        others = ";".join(str(core + 1) for core in cores[1:threads])
        options.add_session_config_entry("session.intra_op_thread_affinities", others)
    options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--cores", required=True, help="such as 0,1")
    return parser.parse_args()


def main():
    arguments = parse_arguments()
    cores = [int(core) for core in arguments.cores.split(",")]
    os.sched_setaffinity(0, set(cores))
    try:
        import numpy as np
        import onnx
        import onnxruntime
    except ImportError as error:
        print(f"no ONNX Runtime: {error}", flush=True)
        return 3
    request = json.loads(sys.stdin.readline())
    tensors = read_tensors(np, request["tensors"])
    images = np.ascontiguousarray(tensors["images"].transpose(0, 3, 1, 2))
    model = ModelBuilder(np, onnx, tensors).model(request["network"], len(images))
    session = new_session(onnxruntime, model, arguments.threads, cores)
    if arguments.threads <= len(cores):
        os.sched_setaffinity(0, {cores[0]})
    expected = tensors["logits"]
    (logits,) = session.run(None, {"images": images})
    difference = np.abs(logits - expected).max() / np.sqrt(np.mean(np.square(expected)))
    print(f"ready {onnxruntime.__version__} {difference}", flush=True)
    for line in sys.stdin:
        if line.startswith("run "):
            for _ in range(int(line.split()[1])):
                session.run(None, {"images": images})
            print("done", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
