"""Weight steps of a network in PyTorch, one at a time on request: the peer of `bench step` and
`bench memory`.

Reads lines, answers each with one line:
  {"networks": [architecture.json, ...], "batch": images}  ->  ready TORCH_VERSION
  step                                                     ->  done
  peak                                ->  the process's peak above its start, in bytes
Several networks are the paths of one supernet, which takes all of them in a step. Before `ready` a first step is taken, compiled where that is asked for. The start, above which the
peak counts, is after steps of two images, when what PyTorch loads at its first steps is there; a
compiler's own memory counts. Ends with its input. Exit status 3: PyTorch cannot be imported.
SPDX-License-Identifier: MIT
"""

import argparse
import ctypes
import gc
import json
import os
import sys


def resident_bytes(key):
    """VmRSS or VmHWM of this process."""
    with open("/proc/self/status", encoding="ascii") as status:
        for line in status:
            if line.startswith(key + ":"):
                return int(line.split()[1]) * 1024
    raise RuntimeError(f"/proc/self/status: no {key}")


def reset_peak():
    with open("/proc/self/clear_refs", "w", encoding="ascii") as file:
        file.write("5")  # the peak alone (man 5 proc)


class WeightStep:
    """Forward, cross-entropy with smoothed labels, backward, SGD with Nesterov's momentum."""

    def __init__(self, torch, network, arguments, batch, compiled):
        self.torch = torch
        self.dtype = {"f32": None, "bf16": torch.bfloat16}[arguments.dtype]
        h, w, c = network.input
        layout = {
            "nchw": torch.contiguous_format,
            "channels-last": torch.channels_last,
        }[arguments.layout]
        torch.manual_seed(1)
        self.images = torch.rand(batch, c, h, w).contiguous(memory_format=layout)
        self.labels = torch.arange(batch) % network.classes
        network.to(memory_format=layout)
        # Small: weights must stay finite on images of noise.
        self.optimizer = torch.optim.SGD(
            network.parameters(),
            lr=1e-4,
            momentum=0.9,
            nesterov=True,
            weight_decay=4e-5,
            fused=True,
        )

        def loss(images, labels):
            return torch.nn.functional.cross_entropy(
                network(images).float(), labels, label_smoothing=0.1
            )

        self.loss = torch.compile(loss) if compiled else loss

    def run(self):
        self.optimizer.zero_grad(set_to_none=True)
        with self.torch.autocast("cpu", dtype=self.dtype, enabled=self.dtype is not None):
            loss = self.loss(self.images, self.labels)
        loss.backward()
        self.optimizer.step()


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--cores", default="", help="such as 0,1; default: those of the caller")
    parser.add_argument("--layout", choices=["nchw", "channels-last"], default="nchw")
    parser.add_argument("--dtype", choices=["f32", "bf16"], default="f32")
    parser.add_argument("--compile", action="store_true", help="torch.compile")
    return parser.parse_args()


def main():
    arguments = parse_arguments()
    if arguments.cores:
        os.sched_setaffinity(0, {int(core) for core in arguments.cores.split(",")})
    try:
        import torch
    except ImportError as error:
        print(f"no PyTorch: {error}", flush=True)
        return 3
    from pytorch_network import Network

    torch.set_num_threads(arguments.threads)
    request = json.loads(sys.stdin.readline())

    def new_step(batch, compiled):
        return WeightStep(torch, Network(*request["networks"]), arguments, batch, compiled)

    rehearsal = new_step(2, False)
    rehearsal.run()
    rehearsal.run()
    del rehearsal
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    start_bytes = resident_bytes("VmRSS")
    step = new_step(request["batch"], arguments.compile)
    step.run()
    reset_peak()
    print(f"ready {torch.__version__}", flush=True)
    for line in sys.stdin:
        if line.strip() == "step":
            step.run()
            print("done", flush=True)
        elif line.strip() == "peak":
            print(resident_bytes("VmHWM") - start_bytes, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
